# What a wheel holds beside its Python files (component "python"): the plugin where `import tensorflow` looks for plugins, and the probe of `tfvk`.
set_target_properties(tfvk-probe PROPERTIES INSTALL_RPATH "")
install(TARGETS tfvk-probe RUNTIME DESTINATION tensorflow_vulkan/bin COMPONENT python)
if(TARGET tfvk)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/build.json CONTENT "{\"tensorflow\": \"${TFVK_TF_VERSION}\"}\n")
  install(FILES ${CMAKE_BINARY_DIR}/build.json DESTINATION tensorflow_vulkan COMPONENT python)
  set_target_properties(tfvk PROPERTIES INSTALL_RPATH "$ORIGIN/../tensorflow")
  install(TARGETS tfvk LIBRARY DESTINATION tensorflow-plugins COMPONENT python)
endif()
