# tfvk-hlo, the development tool that compares the device with XLA's evaluator on HLO text files.
find_package(CLI11 REQUIRED)
add_executable(tfvk-hlo src/hlo/tfvk_hlo_main.cc)
target_link_libraries(tfvk-hlo PRIVATE tfvk_hlo CLI11::CLI11 nlohmann_json::nlohmann_json)
target_compile_options(tfvk-hlo PRIVATE -Wall -Wextra)
set_target_properties(tfvk-hlo PROPERTIES BUILD_RPATH "${TFVK_TF_DIR}")
