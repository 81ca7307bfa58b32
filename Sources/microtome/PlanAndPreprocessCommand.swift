import ArgumentParser
import Basics

/// `microtome plan-and-preprocess` and `nnUNetv2_plan_and_preprocess`
struct PlanAndPreprocessCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan-and-preprocess",
    abstract: "Extracts a dataset's fingerprint, plans experiments and preprocesses it for training.",
    discussion: """
      Datasets lie in the folder that the environment variable nnUNet_raw names, results go to nnUNet_preprocessed. \
      Options are those of nnUNetv2_plan_and_preprocess.
      """)

  @OptionGroup var dataset: DatasetArguments
  @OptionGroup var fingerprint: FingerprintArguments
  @Option(
    name: .customLong("npfp", withSingleDash: true),
    help: "The most cases to take fingerprints of at once. (default: all cores)")
  var fingerprintLimit: Int?
  @OptionGroup var planner: PlannerArguments
  @Flag(name: .customLong("no_pp"), help: "Plan only; do not preprocess.") var plansOnly = false
  @OptionGroup var preprocessing: PreprocessingArguments
  @OptionGroup var reading: ReadingArguments

  func run() throws {
    Interruption.watch()
    reading.warnAboutUnknown()
    for name in dataset.datasets {
      let session = try PlanningSession(name, reading: reading)
      let plans = try session.plan(session.fingerprint(fingerprint, limit: fingerprintLimit), planner)
      if !plansOnly { try session.preprocess(plans: plans, preprocessing) }
    }
  }
}

/// `nnUNet_plan_and_preprocess`, nnU-Net v1's command, on datasets in v2's layout.
struct LegacyPlanAndPreprocess: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNet_plan_and_preprocess",
    abstract: "Plans and preprocesses a dataset, with the options of nnU-Net v1.",
    discussion: "The plans are those of nnU-Net v2; planners of v1 are taken for the standard one.")

  @OptionGroup var dataset: DatasetArguments
  @Option(name: .customLong("pl3d", withSingleDash: true), help: "The 3D planner, or None.")
  var planner3D = "ExperimentPlanner3D_v21"
  @Option(name: .customLong("pl2d", withSingleDash: true), help: "The 2D planner, or None.")
  var planner2D = "ExperimentPlanner2D_v21"
  @Flag(name: .customLong("no_pp", withSingleDash: true), help: "Plan only; do not preprocess.")
  var plansOnly = false
  @Option(name: .customLong("tl", withSingleDash: true), help: "The most cases to work on at once at low resolution.")
  var lowThreads = 8
  @Option(name: .customLong("tf", withSingleDash: true), help: "The most cases to work on at once at full resolution.")
  var fullThreads = 8
  @Flag(name: .customLong("verify_dataset_integrity"), help: "Check every image and label first.")
  var verifies = false
  @Option(
    name: .customLong("overwrite_plans_identifier", withSingleDash: true), help: "The name of the plans.")
  var plansName: String?
  @OptionGroup var reading: ReadingArguments

  func run() throws {
    for planner in [planner3D, planner2D] where planner != "None" && !planner.hasSuffix("D_v21") {
      Console.error("warning: nnU-Net v1's planner \(planner) is taken for ExperimentPlanner")
    }
    let configurations =
      (planner2D == "None" ? [] : ["2d"]) + (planner3D == "None" ? [] : ["3d_fullres", "3d_lowres"])
    guard !configurations.isEmpty else { throw Failure(.usage, "-pl2d and -pl3d are both None; nothing is left to do") }
    var arguments = ["-d"] + dataset.datasets + ["-c"] + configurations
    arguments += ["-np", String(max(1, lowThreads, fullThreads))]
    if verifies { arguments.append("--verify_dataset_integrity") }
    if plansOnly { arguments.append("--no_pp") }
    if let plansName { arguments += ["-overwrite_plans_name", plansName] }
    if reading.verbose { arguments.append("--verbose") }
    if reading.hidesProgress { arguments.append("--no_pbar") }
    reading.warnAboutUnknown()
    try PlanAndPreprocessCommand.parse(arguments).run()
  }
}
