// tfvk-hlo: compiles HLO text files, runs them on a Vulkan device and on XLA's HloEvaluator, and compares.
#include <fmt/color.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "compiler/compiler.h"
#include "compiler/fusion.h"
#include "hlo/comparison.h"
#include "hlo/device_run.h"
#include "hlo/evaluate.h"
#include "hlo/import.h"
#include "hlo/module.h"
#include "hlo/module_timing.h"
#include "hlo/passes.h"
#include "hlo/program_text.h"
#include "hlo/random_module.h"
#include "hlo/rounding.h"
#include "hlo/test_inputs.h"
#include "ir/verify.h"
#include "program/limits.h"
#include "types/error.h"
#include "vulkan/device_plan.h"
#include "vulkan/device_selection.h"
#include "vulkan/device_snapshot.h"

namespace tfvk::hlo {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string device;  // as an entry of TFVK_VISIBLE_DEVICES; "reference": the evaluator after all passes; a snapshot's file: only compile for it
  std::map<int, std::string> input_files;
  uint64_t seed = 1;
  int random = 0;          // modules to draw instead of reading files
  std::string keep = ".";  // where those that do not agree go
  std::string modules;     // where the kernels' SPIR-V goes
  int repeat = 3;
  int rounding = 0;  // perturbations of the inputs
  bool print_hlo = false, print_ir = false, print_fusions = false, print_program = false, no_fuse = false, no_narrow = false, round_each = false, tf32 = false,
       quiet = false, time = false;
  std::optional<double> tolerance;
  size_t plan_rank = 0;
  double benchmark = 0;  // seconds of work before a module is timed as a whole; 0: it is not
};

using Bytes = std::vector<std::vector<uint8_t>>;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Fail(ErrorCode::kInvalidArgument, "Cannot read {}", path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Timer {
 public:
  double Milliseconds() const { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The device that the user named, opened at first use.
vulkan::Device& OpenDevice(const std::string& name) {
  static vulkan::Device* device = nullptr;  // lives as long as the process
  if (device != nullptr) return *device;
  vulkan::Instance& instance = vulkan::Instance::Get();
  if (!instance.problem().empty()) Fail(ErrorCode::kFailedPrecondition, "There is no Vulkan here: {}", instance.problem());
  std::vector<int> order;
  if (name.empty()) {
    order = instance.SelectedDevices();
  } else {
    const vulkan::DeviceSelection selection = vulkan::SelectDevices(instance.snapshots(), instance.plans(), name);
    for (const std::string& message : selection.messages) fmt::print(stderr, "{}\n", message);
    order = selection.order;
  }
  if (order.empty()) Fail(ErrorCode::kUnavailable, "No usable Vulkan device{}", name.empty() ? "" : " matches \"" + name + "\"");
  device = new vulkan::Device(instance, order[0]);
  return *device;
}

Bytes Inputs(const Signature& signature, const TestDirectives& directives, const Options& options) {
  Bytes inputs = MakeInputs(signature.parameters, directives, options.seed);
  for (const auto& [number, path] : options.input_files) {
    const std::string bytes = ReadFile(path);
    if (number < 0 || static_cast<size_t>(number) >= inputs.size()) Fail(ErrorCode::kInvalidArgument, "There is no parameter {}", number);
    if (bytes.size() != inputs[number].size()) {
      Fail(ErrorCode::kInvalidArgument, "{} has {} bytes, but parameter {} takes {}", path, bytes.size(), number, inputs[number].size());
    }
    inputs[number].assign(bytes.begin(), bytes.end());
  }
  return inputs;
}

Bytes EvaluateOnHost(const xla::HloModule& module, const Bytes& inputs) {
  std::vector<HostBytes> buffers;
  for (const auto& input : inputs) buffers.push_back({input.data(), input.size()});
  Bytes outputs;
  for (HostResult& result : Evaluate(module, buffers)) outputs.push_back(std::move(result.bytes));
  return outputs;
}

// What a run is compared with.
class Reference {
 public:
  Reference(const xla::HloModule& module, const ir::Graph& graph, Signature signature, Bytes inputs, double tolerance, const Options& options)
      : module_(module),
        signature_(std::move(signature)),
        inputs_(std::move(inputs)),
        unit_(UnitRoundoff(graph)),
        read_as_bits_(ParametersReadAsBits(graph)),
        tolerance_(tolerance),
        options_(options),
        expected_(options.time ? Bytes() : EvaluateOnHost(module, inputs_)) {}

  const Bytes& inputs() const { return inputs_; }

  // Prints a line for each output; whether all agree.
  bool Report(const Bytes& actual, const std::string& how) {
    bool all = true;
    for (size_t i = 0; i < expected_.size(); ++i) {
      const Difference difference = CompareOutput(i, actual.at(i));
      const bool equal = difference.mismatches == 0, agrees = equal || IsRounding(i, actual[i], difference);
      all = all && agrees;
      if (options_.quiet && (equal || (agrees && options_.random != 0))) continue;
      fmt::print("  output {} {}[{}]{}: {} {}\n", i, Name(signature_.outputs[i].dtype), ElementCount(signature_.outputs[i].shape), how,
                 equal    ? "ok,"
                 : agrees ? "ROUNDING,"
                          : "WRONG,",
                 difference.ToText());
      if (equal || movements_.empty()) continue;
      fmt::print("    {}, {} elements differ by more than their own movement allows\n", movements_[i].ToText(),
                 CompareOutput(i, actual[i], slacks_[i]).mismatches);
    }
    return all;
  }

 private:
  Difference CompareOutput(size_t i, const std::vector<uint8_t>& actual, const std::vector<double>& slack = {}) const {
    return Compare(signature_.outputs[i], expected_[i], actual, tolerance_, options_.random != 0 ? kRandomModuleFloor : 0, slack);
  }

  bool IsRounding(size_t i, const std::vector<uint8_t>& actual, const Difference& difference) {
    if (options_.rounding == 0) return false;
    if (movements_.empty()) SeeMovements();
    return options_.random != 0 ? CompareOutput(i, actual, slacks_[i]).mismatches == 0 : movements_[i].Covers(difference);
  }

  Bytes EvaluatePerturbed(int number) const {
    Bytes inputs = Perturb(signature_.parameters, inputs_, unit_, options_.seed + number);
    for (size_t kept : read_as_bits_) inputs[kept] = inputs_[kept];
    return EvaluateOnHost(module_, inputs);
  }

  void SeeMovements() {
    movements_.resize(expected_.size());
    slacks_.resize(expected_.size());
    // A training step takes the evaluator a minute.
    const int at_once = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int begin = 0; begin < options_.rounding; begin += at_once) {
      std::vector<std::future<Bytes>> evaluations;
      for (int k = begin; k < std::min(begin + at_once, options_.rounding); ++k) {
        evaluations.push_back(std::async(std::launch::async, [this, k] { return EvaluatePerturbed(k); }));
      }
      for (auto& evaluation : evaluations) AddMovement(evaluation.get());
    }
  }

  void AddMovement(const Bytes& moved) {
    for (size_t j = 0; j < moved.size(); ++j) {
      movements_[j].Add(CompareOutput(j, moved[j]));
      Widen(slacks_[j], signature_.outputs[j], expected_[j], moved[j]);
    }
  }

  const xla::HloModule& module_;
  const Signature signature_;
  const Bytes inputs_;
  const double unit_;
  const std::set<size_t> read_as_bits_;
  const double tolerance_;
  const Options& options_;
  const Bytes expected_;
  std::vector<Movement> movements_;          // of each output, once one was needed
  std::vector<std::vector<double>> slacks_;  // the same of each element
};

// The kernel of each launch by the launch's name; of several launches of one name, the one with a plan.
std::map<std::string, const kernels::Kernel*> KernelsByLaunch(const program::Program& program, const program::Block& block) {
  std::map<std::string, const kernels::Kernel*> found;
  for (const program::Step& step : block) {
    if (const auto* launch = std::get_if<program::Launch>(&step.action)) {
      const kernels::Kernel* kernel = &program.kernels[launch->kernel];
      if (!kernel->plan.empty() || found.count(launch->name) == 0) found[launch->name] = kernel;
    } else if (const auto* loop = std::get_if<program::While>(&step.action)) {
      found.merge(KernelsByLaunch(program, loop->body));
    }
  }
  return found;
}

// The device's time of each launch of the fastest of five runs, the longest first, products and convolutions with their plan and speed; launches that overlap
// count in full.
void PrintTimes(vulkan::Device& device, program::Executable& executable, const Bytes& inputs) {
  RunOnDevice(device, executable, inputs, false);  // waits for the driver's compiler
  const TimingLock lock;
  std::vector<vulkan::LaunchTiming> launches;
  double sum = 0, milliseconds = 0;
  for (int run = 0; run < 5; ++run) {
    device.queue().SetTiming(true);
    const double in_all = RunOnDevice(device, executable, inputs, false, run == 0 ? 700 : 200).milliseconds;
    std::vector<vulkan::LaunchTiming> timed = device.queue().TakeTimings();
    device.queue().SetTiming(false);
    timed.erase(std::remove_if(timed.begin(), timed.end(), [](const auto& launch) { return launch.name == "upload" || launch.name == "download"; }),
                timed.end());
    double of_run = 0;
    for (const auto& launch : timed) of_run += static_cast<double>(launch.duration_ns) / 1e6;
    if (run > 0 && of_run >= sum) continue;
    sum = of_run;
    milliseconds = in_all;
    launches = std::move(timed);
  }
  std::stable_sort(launches.begin(), launches.end(), [](const auto& a, const auto& b) { return a.duration_ns > b.duration_ns; });
  fmt::print("  {} launches, {:.3f} ms in them, {:.3f} ms in all\n", launches.size(), sum, milliseconds);
  const std::map<std::string, const kernels::Kernel*> kernels = KernelsByLaunch(executable.program(), executable.program().steps);
  for (const auto& launch : launches) {
    fmt::print("  {:9.4f} ms  {}", static_cast<double>(launch.duration_ns) / 1e6, launch.name);
    const auto kernel = kernels.find(launch.name);
    if (kernel != kernels.end() && !kernel->second->plan.empty()) {
      fmt::print("  {} {:.1f} TFLOP/s", kernel->second->plan, kernel->second->flops / static_cast<double>(std::max<uint64_t>(launch.duration_ns, 1)) / 1e3);
    }
    fmt::print("\n");
  }
}

bool IsSnapshot(const std::string& device) { return device.size() > 5 && device.compare(device.size() - 5, 5, ".json") == 0; }

std::string Describe(ir::Value v) {
  const std::string name = v.node->origin.empty() ? std::string(ir::Name(v.node->op)) : v.node->origin;
  return fmt::format("{} {}", v.result == 0 ? name : fmt::format("{}#{}", name, v.result), ir::ToText(v.type()));
}

void PrintFusions(const ir::Graph& graph, const kernels::DeviceLimits& limits, const Options& options) {
  for (const compiler::Fusion& fusion : compiler::FormFusions(graph, limits, !options.no_fuse)) {
    fmt::print("fusion of {} nodes:", fusion.members.size());
    for (const ir::Node* hero : fusion.heroes) fmt::print(" {} ({})", ir::Name(hero->op), hero->origin);
    for (const auto& [value, contexts] : fusion.access.reads) fmt::print("\n  read  {}", Describe(value));
    for (ir::Value value : fusion.outputs) fmt::print("\n  write {}", Describe(value));
    fmt::print("\n");
  }
}

// PROGRAM.kernelN.spv, and beside it in .json what a pipeline needs besides, and what reports want to know (tests/drivers, benchmarks/driver_statistics.py).
void WriteModules(const program::Program& program, const std::string& folder) {
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    const kernels::Kernel& kernel = program.kernels[i];
    const std::string path = fmt::format("{}/{}.kernel{}", folder, program.name, i);
    std::ofstream file(path + ".spv", std::ios::binary);
    file.write(reinterpret_cast<const char*>(kernel.module.words.data()), static_cast<std::streamsize>(kernel.module.words.size() * sizeof(uint32_t)));
    const nlohmann::json facts = {{"name", kernel.module.name},
                                  {"required_subgroup_size", kernel.required_subgroup_size},
                                  {"workgroup", kernel.module.workgroup},
                                  {"shared_bytes", kernel.module.shared_bytes},
                                  {"plan", kernel.plan},
                                  {"resident_workgroups", kernel.resident_workgroups}};
    std::ofstream(path + ".json") << facts.dump() << "\n";
  }
}

program::Program CompileFor(const vulkan::DevicePlan& plan, const ir::Graph& graph, const Options& options) {
  const kernels::DeviceLimits limits = program::LimitsOf(plan);
  const compiler::CompileOptions compile_options = {/*allow_tf32=*/options.tf32, /*fuse=*/!options.no_fuse, /*narrow_products=*/!options.no_narrow,
                                                    /*excess_precision=*/!options.round_each, /*plan_rank=*/options.plan_rank};
  if (options.print_fusions) {
    const auto rewritten = compiler::Rewritten(graph, limits, compile_options);
    PrintFusions(rewritten ? *rewritten : graph, limits, options);
  }
  const Timer compile_time;
  program::Program program = compiler::Compile(graph, limits, compile_options);
  if (options.random == 0 && options.benchmark == 0)
    fmt::print("  compile {:.1f} ms, {} kernels, {} launches, {} bytes of temporaries\n", compile_time.Milliseconds(), program.kernels.size(),
               LaunchCount(program), program.temporary_bytes);
  if (options.print_program) fmt::print("{}", ToText(program));
  if (!options.modules.empty()) WriteModules(program, options.modules);
  return program;
}

// One line of JSON for a program to read.
void Benchmark(const ir::Graph& graph, const std::vector<ir::TensorType>& parameters, const TestDirectives& directives, double passes, const Options& options) {
  vulkan::Device& device = OpenDevice(options.device);
  const Timer compile_time;
  program::Program program = CompileFor(device.plan(), graph, options);
  nlohmann::json line = {{"passes_ms", passes}, {"compile_ms", compile_time.Milliseconds()}, {"kernels", program.kernels.size()}};
  line["temporary_bytes"] = program.temporary_bytes;
  program::Executable executable(device, std::move(program));
  const ModuleTiming timing = TimeModule(device, executable, parameters, directives, options.seed, options.benchmark);
  const vulkan::DeviceSnapshot& snapshot = device.snapshot();
  line["device"] = fmt::format("{}, driver {} {}", snapshot.name, snapshot.driver_name, snapshot.driver_info);
  line.update({{"ms", timing.wall_ms}, {"device_ms", timing.device_ms}, {"first_ms", timing.first_ms}});
  line.update({{"runs", timing.runs}, {"launches", timing.launches}, {"buffer_bytes", timing.buffer_bytes}});
  fmt::print("{}\n", line.dump());
}

bool RunOnVulkan(const ir::Graph& graph, Reference& reference, const Options& options) {
  vulkan::Device& device = OpenDevice(options.device);
  program::Program program = CompileFor(device.plan(), graph, options);
  const bool aliased = std::any_of(program.aliases.begin(), program.aliases.end(), [](int alias) { return alias >= 0; });
  program::Executable executable(device, std::move(program));
  if (options.time) {
    PrintTimes(device, executable, reference.inputs());
    return true;
  }
  const Bytes& inputs = reference.inputs();
  DeviceRun run = RunOnDevice(device, executable, inputs, /*in_place=*/false);
  const double first = run.milliseconds;
  const bool agrees = reference.Report(run.outputs, "");
  double best = first;
  for (int i = 1; i < options.repeat; ++i) best = std::min(best, RunOnDevice(device, executable, inputs, false).milliseconds);
  if (options.random == 0) fmt::print("  device {:.2f} ms at first, {:.3f} ms at best\n", first, best);
  if (!aliased) return agrees;
  const Bytes in_place = RunOnDevice(device, executable, inputs, /*in_place=*/true).outputs;
  return reference.Report(in_place, " in place") && agrees;
}

bool RunModule(const std::string& text, const Options& options) {
  const TestDirectives directives = ReadDirectives(text);
  const ModulePtr expanded = ModuleFromText(text);
  const ModulePtr module = CloneWithoutNarrowTypes(*expanded);
  Expand(*expanded);
  const Timer passes_time;
  if (RunPasses(*module)) Fail(ErrorCode::kUnimplemented, "[tfvk-hlo] The module draws random numbers: there is nothing to compare with");
  const double passes = passes_time.Milliseconds();
  if (options.print_hlo) fmt::print("{}\n", ToText(*module));
  const std::unique_ptr<ir::Graph> graph = Import(*module);
  if (options.print_ir) fmt::print("{}\n", ir::ToText(*graph));
  ir::Verify(*graph);
  if (options.random == 0 && options.benchmark == 0) fmt::print("  passes {:.1f} ms, {} IR nodes\n", passes, graph->nodes().size());
  if (IsSnapshot(options.device)) {
    CompileFor(vulkan::MakeDevicePlan(vulkan::SnapshotFromJson(nlohmann::json::parse(ReadFile(options.device)))), *graph, options);
    return true;
  }

  Signature signature = SignatureOf(*expanded);
  if (options.benchmark > 0) {
    Benchmark(*graph, signature.parameters, directives, passes, options);
    return true;
  }
  Bytes inputs = Inputs(signature, directives, options);
  const double tolerance = options.tolerance.value_or(directives.tolerance.value_or(ToleranceOf(*graph)));
  Reference reference(*expanded, *graph, std::move(signature), std::move(inputs), tolerance, options);
  if (options.device == "reference") return reference.Report(EvaluateOnHost(*module, reference.inputs()), "");
  return RunOnVulkan(*graph, reference, options);
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("file", options.files, "HLO text files")->check(CLI::ExistingFile);
  app.add_option("--random", options.random, "draw this many modules at random, the first with --seed, instead of reading files");
  app.add_option("--keep", options.keep, "the folder for random modules that do not agree")->check(CLI::ExistingDirectory)->capture_default_str();
  app.add_option("--device", options.device,
                 "index, part of the name or UUID of a Vulkan device; `reference`: the evaluator after all passes instead; FILE.json, a "
                 "snapshot as in tests/vulkan/snapshots: only compile for that device");
  app.add_option_function<std::vector<std::string>>(
         "--input",
         [&options](const std::vector<std::string>& values) {
           for (const std::string& value : values) {
             const size_t equals = value.find('=');
             if (equals == std::string::npos) throw CLI::ValidationError("--input", value + " is not NUMBER=FILE");
             options.input_files[std::stoi(value)] = value.substr(equals + 1);
           }
         },
         "NUMBER=FILE: a parameter's raw row-major bytes instead of random ones")
      ->allow_extra_args(false);
  app.add_option("--seed", options.seed, "of the random inputs")->capture_default_str();
  app.add_option("--repeat", options.repeat, "runs on the device")->capture_default_str();
  app.add_option("--tolerance", options.tolerance, "relative tolerance instead of the file's or the dtypes'");
  app.add_option(
      "--rounding", options.rounding,
      "where outputs differ, let the evaluator run this many times more on inputs changed by less than the dtypes can tell, and accept what is off by "
      "no more than four times what that changes; of random modules (8 times) element by element");
  app.add_flag("--hlo", options.print_hlo, "print the module after XLA's passes");
  app.add_flag("--ir", options.print_ir, "print the IR");
  app.add_flag("--fusions", options.print_fusions, "print what each launch computes and what it reads and writes");
  app.add_flag("--program", options.print_program, "print the Program");
  app.add_option("--modules", options.modules, "a folder for the kernels' SPIR-V and facts, MODULE.kernelN, numbered as --program numbers them")
      ->check(CLI::ExistingDirectory);
  app.add_option("--plan-rank", options.plan_rank,
                 "products and convolutions by the model's second (1), third (2) ... choice of kernels, to see with --time whether its first is the fastest");
  app.add_flag("--time", options.time, "compare nothing; print what each launch takes on the device");
  app.add_option("--benchmark", options.benchmark,
                 "compare nothing; keep the device busy with each module for this many seconds and print a line of JSON with its times, for benchmarks/; "
                 "without files, their names are read from standard input, each answered before the next is read");
  app.add_flag("--no-fuse", options.no_fuse, "one kernel a node");
  app.add_flag("--round-each", options.round_each, "bfloat16 results are rounded after each operation, as the evaluator does");
  app.add_flag("--no-narrow", options.no_narrow, "with --tf32: fp32 operands are narrowed inside of each product");
  app.add_flag("--tf32", options.tf32, "let fp32 products lose bits as TF32 does");
  app.add_flag("-q,--quiet", options.quiet, "print only the outputs that differ");
}

struct Counts {
  int files = 0, differing = 0, failed = 0;
};

void Run(const std::function<std::string()>& read, const Options& options, Counts& counts) {
  ++counts.files;
  try {
    if (!RunModule(read(), options)) ++counts.differing;
  } catch (const Error& error) {
    fmt::print("  FAILED: {}\n", error.what());
    ++counts.failed;
  }
  std::fflush(stdout);
}

void RunFile(const std::string& path, const Options& options, Counts& counts) {
  fmt::print("{}\n", path);
  Run([&] { return ReadFile(path); }, options, counts);
}

// Each module is a file while it runs, so that a crash leaves it behind.
void RunRandom(Options options, Counts& counts) {
  options.quiet = true;
  options.repeat = 1;
  if (options.rounding == 0) options.rounding = 8;
  const uint64_t first = options.seed;
  for (uint64_t seed = first; seed < first + options.random; ++seed) {
    const std::string text = RandomModule(seed), path = fmt::format("{}/random_{}.hlo", options.keep, seed);
    std::ofstream(path) << text;
    const Counts before = counts;
    options.seed = seed;
    Run([&] { return text; }, options, counts);
    if (counts.differing == before.differing && counts.failed == before.failed) {
      std::remove(path.c_str());
    } else {
      fmt::print("{}\n", path);
    }
  }
}

}  // namespace
}  // namespace tfvk::hlo

int main(int argc, char** argv) {
  tfvk::hlo::Options options;
  CLI::App app(
      "Compiles HLO text files, runs each on a Vulkan device and on XLA's HloEvaluator, and compares. Comments in a file tell what inputs suit it: "
      "`// input 3: range 0 7`, `// input *: positive` (small, positive, range LOW HIGH, bits, special), `// tolerance: 1e-3`. --random COUNT runs modules "
      "drawn at random and keeps those that do not agree. "
      "Exit status: 0 all agree, 1 some differ, 2 some could not be run.");
  tfvk::hlo::AddOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  const bool listens = options.benchmark > 0 && options.files.empty() && options.random == 0;
  if (!listens && options.files.empty() == (options.random == 0)) return app.exit(CLI::ValidationError("either files or --random"));
  tfvk::hlo::Counts counts;
  for (const std::string& file : options.files) tfvk::hlo::RunFile(file, options, counts);
  for (std::string file; listens && std::getline(std::cin, file);) tfvk::hlo::RunFile(file, options, counts);
  if (options.random != 0) tfvk::hlo::RunRandom(options, counts);
  const auto [files, differing, failed] = counts;
  fmt::print("{} of {} modules agree, {} differ, {} could not be run\n", files - differing - failed, files, differing, failed);
  std::fflush(stdout);
  // The device is never closed: by the time static objects go, a driver may have unloaded itself.
  std::_Exit(failed != 0 ? 2 : differing != 0 ? 1 : 0);
}
