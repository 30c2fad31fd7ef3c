#!/usr/bin/env bash
# Sets Easel up on the first start, then runs it:
#   ./webui.sh [flags]               the server          (./webui.sh --help lists the flags)
#   ./webui.sh generate --prompt …   one picture from the command line
#   ./webui.sh info picture.png      the parameters that a picture carries
#   ./webui.sh test [pytest flags]   all checks
# Everything it does is in modules/launch/environment.py, which webui.bat runs as well.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}" 2>/dev/null || echo "${BASH_SOURCE[0]}")")" && pwd) || exit 1

# Many people bring this file from A1111.
if [[ -f $root/webui-user.sh ]]; then
    source "$root/webui-user.sh"
    export COMMANDLINE_ARGS TORCH_INDEX_URL
    if [[ -z ${PYTHON:-} && -n ${python_cmd:-} ]]; then
        export PYTHON=$python_cmd
    fi
fi

python=${PYTHON:-python3}
# environment.py finds a right Python by itself, but not on one that is missing or cannot even read it.
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null; then
    echo "Easel could not be set up. It needs Python 3.11, 3.12 or 3.13, and '$python' is none of them:" \
        "install one and point to it: PYTHON=/path/to/python3.12 ./webui.sh" >&2
    exit 1
fi
exec "$python" "$root/modules/launch/environment.py" "$@"
