# The installed TensorFlow's headers and libraries. Its C++ ABI is one wheel's, so the version is part of the plugin's name for itself.
execute_process(
  COMMAND ${Python3_EXECUTABLE} -c "import importlib.util, importlib.metadata as m, os
s = importlib.util.find_spec('tensorflow')
print(os.path.dirname(s.origin) if s else '')
print(next((m.version(n) for n in ('tensorflow-cpu', 'tensorflow', 'tensorflow_cpu') if any(d.metadata['Name'] == n for d in m.distributions())), ''))"
  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
string(REPLACE "\n" ";" found "${found};")
list(GET found 0 TFVK_TF_DIR)
list(GET found 1 TFVK_TF_VERSION)
if(NOT TFVK_TF_DIR)
  message(FATAL_ERROR "TensorFlow not found by ${Python3_EXECUTABLE}: run `pip install tensorflow-cpu==2.21.*`.")
endif()
if(NOT TFVK_TF_VERSION MATCHES "^2\\.21\\.")
  message(FATAL_ERROR "This source builds against TensorFlow 2.21; ${Python3_EXECUTABLE} has ${TFVK_TF_VERSION}.")
endif()

set(inc ${TFVK_TF_DIR}/include)
add_library(tfvk_tensorflow INTERFACE)
target_include_directories(tfvk_tensorflow SYSTEM INTERFACE ${inc} ${inc}/external/highwayhash ${inc}/external/farmhash_archive/src
                           ${inc}/external/llvm-project/mlir/include ${inc}/external/stablehlo)
# NDEBUG as in the wheel: some of its classes (EdgeSet, and with it Node; HloPassPipeline) have other members without it.
target_compile_definitions(tfvk_tensorflow INTERFACE NDEBUG EIGEN_MAX_ALIGN_BYTES=64 TFVK_TENSORFLOW_VERSION="${TFVK_TF_VERSION}")
target_compile_options(tfvk_tensorflow INTERFACE -Wno-deprecated-declarations -Wno-sign-compare -Wno-attributes)
target_link_options(tfvk_tensorflow INTERFACE -L${TFVK_TF_DIR})
target_link_libraries(tfvk_tensorflow INTERFACE -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2)
set(CMAKE_BUILD_RPATH ${TFVK_TF_DIR})  # programs of the build tree find TensorFlow's libraries; an installed plugin has $ORIGIN/../tensorflow
