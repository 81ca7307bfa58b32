import ArgumentParser
import Basics
import FastnnUNet
import NNUNet

/// `microtome fastnnunet`
struct FastnnUNetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fastnnunet", abstract: "Segments images with a mode of FastnnUNet's: bone, chest, abdomen, ...",
    discussion: """
      A mode says which models are run, how an image is turned and prepared for them, and how their labels are cleaned \
      up. No weights are published for FastnnUNet's modes; 'microtome tasks add' registers models of your own.
      """)

  @Option(
    name: [.customLong("input"), .customShort("i")], parsing: .upToNextOption,
    help: "Images, or folders of them; may be given several times.")
  var inputs: [String]

  @Option(help: "The mode; 'microtome tasks list' shows which there are.")
  var mode: String

  @Flag(name: .customLong("enable_subseg"), help: "Run the mode's subsegmentation too (of bone: cortical bone).")
  var withSubsegmentation = false

  @Option(
    name: [.customLong("output"), .customShort("o")],
    help: "The folder for the segmentations, CASE_MODE.nii.gz. It is created if need be.")
  var output = "results"

  @Option(
    name: .customLong("step_size", withSingleDash: true),
    help: "The distance between patches as a fraction of the patch. (default: what the mode or its model says, or 0.5)")
  var step: Double?

  @Flag(name: .customLong("disable_tta"), help: "No averaging over mirrored images, whatever the mode says.")
  var disablesMirroring = false

  @Flag(name: .customLong("continue_prediction"), help: "Leave out cases whose output exists.")
  var continues = false

  @Option(
    name: [.customLong("device", withSingleDash: true), .customLong("device")],
    help: "cpu, gpu, or a device that 'microtome engines' lists.")
  var device = "cpu"

  @OptionGroup var engine: EngineArguments

  @Flag(name: .customLong("verbose"), help: "Say more.")
  var verbose = false

  @Flag(name: .customLong("disable_progress_bar"), help: "No progress line.")
  var hidesProgress = false

  func validate() throws {
    if let step, !(step >= 0.001 && step <= 1) {
      throw ValidationError("-step_size is \(step); it must be at least 0.001 and at most 1")
    }
  }

  func run() throws {
    Interruption.watch(hint: Interruption.continuing)
    let mode = try ModeCatalogue { Environment[$0] }.mode(named: mode)
    let opened = try OpenedMode(mode, subsegmentation: withSubsegmentation)
    let cases = try ModeCase.find(
      at: inputs, output: output, mode: mode.name, channels: opened.channelCount, reader: opened.reader)
    let engine = try engine.makeEngine(with: device)
    describe(opened)
    var options = ModeRun.Options()
    options.compile = self.engine.compileOptions(device: device.uppercased())
    options.step = step
    options.disablesMirroring = disablesMirroring
    options.continues = continues
    let reporter = ProgressReporter(caseCount: cases.count, showsProgress: !hidesProgress, isVerbose: verbose)
    var clock = Stopwatch()
    let summary = try ModeRun(opened, engine: engine, options: options, report: reporter.report).run(cases)
    reporter.summarize(summary, seconds: clock.lap())
    if let first = summary.failures.first {
      // Each failure was reported when it happened; the first decides the exit code.
      throw Failure(first.failure.kind, "\(summary.failures.count) of \(cases.count) cases failed")
    }
  }

  private func describe(_ opened: OpenedMode) {
    Console.print(
      "mode: \(opened.mode.name), \(opened.mode.orientation.map { "images turned to \($0)" } ?? "images as they lie"), "
        + "\(opened.labels.entries.count) labels")
    for part in opened.parts {
      let model = part.model
      let patch = model.configuration.patchSize.map(String.init).joined(separator: "x")
      Console.print(
        "model: \(model.plans.datasetName) \(model.configuration.name), fold \(model.folds.joined(separator: "+")), "
          + "\(model.networkName), patch \(patch)")
    }
  }
}
