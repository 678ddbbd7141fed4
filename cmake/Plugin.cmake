# The shared libraries that TensorFlow loads: the product, and the same plugin on the reference back end for tests.
#
# The room is an archive from which the entry points pull what they need. OpenBackend is in vulkan_backend.cc of the archive, unless a file given here has it.
set(TFVK_ENTRY_POINTS SE_InitPlugin TF_InitKernel TF_InitGraph tfvk_statistics_json)
function(tfvk_plugin name)
  if(NOT ARGN)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "")
    set(ARGN ${CMAKE_BINARY_DIR}/${name}.cc)
  endif()
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE tfvk_plugin)
  foreach(entry ${TFVK_ENTRY_POINTS})
    target_link_options(${name} PRIVATE -Wl,-u,${entry})
  endforeach()
  # TensorFlow's libraries are loaded already when TensorFlow loads the plugin, so no run path is needed.
  set_target_properties(${name} PROPERTIES SKIP_BUILD_RPATH ON)
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  target_link_options(${name} PRIVATE -Wl,--no-undefined)
endfunction()
tfvk_plugin(tfvk)
tfvk_plugin(tfvk_reference ${CMAKE_SOURCE_DIR}/src/plugin/reference_backend.cc)
