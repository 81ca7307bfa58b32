import ArgumentParser
import Basics
import NNUNet

/// Which datasets a planning command works on.
struct DatasetArguments: ParsableArguments {
  @Option(
    name: [.customShort("d"), .customShort("t")], parsing: .upToNextOption,
    help: "The datasets: numbers (4) or names (Dataset004_Name).")
  var datasets: [String]
}

/// Options of everything that reads a whole dataset.
struct ReadingArguments: ParsableArguments {
  @Flag(name: .customLong("verbose"), help: "Say more.")
  var verbose = false

  @Flag(name: .customLong("no_pbar"), help: "No progress line.")
  var hidesProgress = false

  @Argument(parsing: .allUnrecognized, help: .hidden)
  var unknown: [String] = []

  /// nnU-Net passes over options it does not know; so that a typing error is noticed, they are named.
  func warnAboutUnknown() {
    if !unknown.isEmpty { Console.error("warning: not understood and ignored: \(unknown.joined(separator: " "))") }
  }
}

/// Options of fingerprint extraction.
struct FingerprintArguments: ParsableArguments {
  @Option(
    name: .customLong("fpe", withSingleDash: true), help: "The extractor; there is one, DatasetFingerprintExtractor.")
  var extractor = "DatasetFingerprintExtractor"

  @Flag(name: .customLong("verify_dataset_integrity"), help: "Check every image and label first; worth it once.")
  var verifies = false

  @Flag(name: .customLong("clean"), help: "Extract the fingerprint again even if there is one.")
  var isClean = false

  func validate() throws {
    guard extractor == "DatasetFingerprintExtractor" else {
      throw ValidationError("there is no fingerprint extractor \"\(extractor)\"; it is DatasetFingerprintExtractor")
    }
  }
}

/// Options of experiment planning.
struct PlannerArguments: ParsableArguments {
  @Option(
    name: .customLong("pl", withSingleDash: true), help: "The planner: ExperimentPlanner, nnUNetPlannerResEncM, ...")
  var planner = "ExperimentPlanner"

  @Option(
    name: .customLong("gpu_memory_target", withSingleDash: true),
    help: "The GPU memory in GB to plan for. (default: the planner's)")
  var memoryTarget: Double?

  @Option(
    name: .customLong("preprocessor_name", withSingleDash: true), help: "There is one, DefaultPreprocessor.")
  var preprocessor = "DefaultPreprocessor"

  @Option(
    name: .customLong("overwrite_target_spacing", withSingleDash: true), parsing: .upToNextOption,
    help: "Three spacings in mm, slowest axis (z) first, instead of the dataset's typical ones.")
  var targetSpacing: [Double] = []

  @Option(
    name: .customLong("overwrite_plans_name", withSingleDash: true),
    help: "The name of the plans. (default: the planner's)")
  var plansName: String?

  func validate() throws {
    guard preprocessor == "DefaultPreprocessor" else {
      throw ValidationError("there is no preprocessor \"\(preprocessor)\"; it is DefaultPreprocessor")
    }
    guard targetSpacing.isEmpty || targetSpacing.count == 3 else {
      throw ValidationError("-overwrite_target_spacing takes three numbers, not \(targetSpacing.count)")
    }
  }

  var options: ExperimentPlanner.Options {
    ExperimentPlanner.Options(
      memoryTarget: memoryTarget, targetSpacing: targetSpacing.isEmpty ? nil : targetSpacing, plansName: plansName)
  }
}

/// Options of preprocessing.
struct PreprocessingArguments: ParsableArguments {
  @Option(
    name: [.customShort("c"), .customShort("m")], parsing: .upToNextOption,
    help: "The configurations. (default: 2d 3d_fullres 3d_lowres)")
  var configurations: [String] = []

  @Option(
    name: .customLong("np", withSingleDash: true), parsing: .upToNextOption,
    help: "The most cases to work on at once. nnU-Net takes one number per configuration; the largest counts.")
  var limits: [Int] = []

  func validate() throws {
    if let bad = limits.first(where: { $0 < 1 }) { throw ValidationError("-np is \(bad); at least one is needed") }
  }

  var chosenConfigurations: [String] {
    configurations.isEmpty ? ["2d", "3d_fullres", "3d_lowres"] : configurations
  }

  var limit: Int? { limits.max() }
}
