# Source this from the repository's root on a machine with a GPU, where torch, JAX and Cython are installed and nothing
# can be: it compiles the engine in place and puts the packages' sources on the path. No network is used.
( cd packages/nexnet-core && python3 setup.py -q build_ext --inplace ) || return 1
export PYTHONPATH="$PWD/packages/nexnet-core/src:$PWD/packages/nexnet-nn/src:$PWD/packages/nexnet-verify/src:$PWD${PYTHONPATH:+:$PYTHONPATH}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false PYTHONUNBUFFERED=1
python3 -c "import optree, nexnet, nexnet_nn; print('nexnet', nexnet.__version__, 'compiled' if nexnet.engine.COMPILED else 'plain')" || return 1
