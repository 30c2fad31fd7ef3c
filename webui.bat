@echo off
rem Sets Easel up on the first start, then runs it: webui.bat [flags]
rem Everything it does is in modules\launch\environment.py, which webui.sh runs as well. Not tried on Windows yet.
setlocal
rem A1111's webui-user.bat may have set PYTHON with quotes around the path, which are not part of it.
if defined PYTHON set "PYTHON=%PYTHON:"=%"
if defined PYTHON (
    "%PYTHON%" "%~dp0modules\launch\environment.py" %*
    exit /b
)
where py >nul 2>nul && (
    py -3 "%~dp0modules\launch\environment.py" %*
    exit /b
)
python "%~dp0modules\launch\environment.py" %*
