import ArgumentParser
import Basics
import Engines
import NNUNet
import TotalSegmentator

/// `microtome totalseg`, and the program under the name `TotalSegmentator`.
struct TotalSegment: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "totalseg",
    abstract: "Segments CT and MR images with TotalSegmentator's models.",
    discussion: """
      Options are those of TotalSegmentator. With a folder as input every NIfTI file in it is segmented; results are \
      named after the images. 'microtome info tasks' lists the tasks, 'microtome weights' fetches their models.
      """,
    version: Microtome.configuration.version)

  @OptionGroup var arguments: TotalSegmentArguments
  @OptionGroup var rest: UnusedTotalSegmentArguments

  func run() throws {
    if let table = try arguments.table() { return Console.print(table) }
    try rest.check()
    try TotalSegmentSession(arguments: arguments).run()
  }
}

/// The program under the name `FastSegmentator`.
struct FastSegment: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "FastSegmentator", abstract: "Segments images with TotalSegmentator's and nnU-Net's models.",
    discussion: "-i and -o may be written --input_path and --output_path.",
    subcommands: [Total.self, Network.self])

  /// `FastSegmentator totalseg`: one file with all classes for every image.
  struct Total: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "totalseg", abstract: "Segments the NIfTI images of a folder with TotalSegmentator's models.")

    @OptionGroup var arguments: TotalSegmentArguments
    @OptionGroup var rest: UnusedTotalSegmentArguments

    func run() throws {
      if let table = try arguments.table() { return Console.print(table) }
      try rest.check()
      var arguments = arguments
      arguments.isMultilabel = true
      try TotalSegmentSession(arguments: arguments).run()
    }
  }

  /// `FastSegmentator nnunet`: every image of a folder is a case of its own, nothing is mirrored, and the fold trained on
  /// all cases is taken unless another one is named.
  struct Network: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "nnunet", abstract: "Segments the NIfTI images of a folder with a trained nnU-Net v2 model.",
      discussion: "The fold is 'all' by default, the device a GPU where there is one. Nothing is mirrored.")

    @Option(
      name: .customLong("model_path"), help: "The model folder: the one with plans.json, dataset.json and fold_0.")
    var model: String

    @OptionGroup var parts: PartArguments
    @OptionGroup var arguments: PredictArguments

    func run() throws {
      var arguments = arguments
      if arguments.folds.isEmpty, !ExportedModel.isModelFile(model) { arguments.folds = ["all"] }
      arguments.disableMirroring = true
      // There --use_softmax concerns how labels are found, and no probabilities are written.
      arguments.saveProbabilities = false
      arguments.device = try arguments.engine.device(
        arguments.device ?? "cuda", of: arguments.engine.makeEngine())
      var session = PredictionSession(modelFolder: model, arguments: arguments, parts: parts)
      session.everyFileIsACase = true
      try session.run()
    }
  }
}

/// Options of TotalSegmentator that concern segmentation.
struct TotalSegmentArguments: ParsableArguments {
  @Option(name: .customShort("i"), help: "A NIfTI image (.nii.gz, .nii) or a folder of them.")
  var input: String?

  @Option(name: .customShort("o"), help: "The folder for the masks; with --ml the file for the labels.")
  var output: String?

  @Option(
    name: [.customLong("ot", withSingleDash: true), .customLong("output_type")], parsing: .upToNextOption,
    help: "nifti.")
  var outputTypes: [String] = []

  @Flag(
    name: [.customLong("ml", withSingleDash: true), .customLong("ml")],
    help: "One file with all classes instead of one file a class.")
  var isMultilabel = false

  @Option(
    name: [.customLong("ro", withSingleDash: true), .customLong("resampling_order")],
    help: "The spline order of the image's resampling, 0 to 5.")
  var resamplingOrder = 1

  @Flag(name: [.customShort("f"), .customLong("fast")], help: "The faster model of 3 mm resolution.")
  var fast = false

  @Flag(
    name: [.customLong("ff", withSingleDash: true), .customLong("fastest")],
    help: "The fastest model of 6 mm resolution.")
  var fastest = false

  @Flag(
    name: [.customLong("sl", withSingleDash: true), .customLong("save_lowres")],
    help: "With --fast or --fastest: leave the result at the model's resolution.")
  var keepsModelGrid = false

  @Option(
    name: [.customLong("ta", withSingleDash: true), .customLong("task")],
    help: "What to segment; --list-tasks lists them.")
  var task = "total"

  @Option(
    name: [.customLong("ms", withSingleDash: true), .customLong("model_size")],
    help: "big or small; small for total_v3 only.")
  var modelSize = ModelSize.big

  @Option(
    name: [.customLong("rs", withSingleDash: true), .customLong("roi_subset")], parsing: .upToNextOption,
    help: "Only these classes.")
  var subset: [String] = []

  @Option(
    name: [.customLong("rsr", withSingleDash: true), .customLong("roi_subset_robust")], parsing: .upToNextOption,
    help: "The same, finding the region with the 3 mm model.")
  var robustSubset: [String] = []

  @Flag(
    name: [.customLong("rc", withSingleDash: true), .customLong("robust_crop")],
    help: "Find regions with the 3 mm model.")
  var robustCrop = false

  @Flag(
    name: [
      .customLong("ho", withSingleDash: true), .customLong("higher_order_resampling"),
      .customLong("high_order_resampling"),
    ], help: "Smoother outlines: the networks' own preprocessing resamples.")
  var higherOrder = false

  @Flag(
    name: [.customLong("higher_order_resampling_LEGACY"), .customLong("high_order_resampling_LEGACY")],
    help: "Smoother outlines: labels are interpolated linearly.")
  var legacyHigherOrder = false

  @Option(
    name: [.customShort("s"), .customLong("statistics")],
    help: "Write volume and mean intensity of each class to FILE. (default: statistics.json beside the result)")
  var statistics: String?

  @Flag(
    name: [.customLong("sii", withSingleDash: true), .customLong("stats_include_incomplete")],
    help: "Also measure classes that touch the image's border.")
  var includesIncomplete = false

  @Option(
    name: [.customLong("sa", withSingleDash: true), .customLong("stats_aggregation")],
    help: "mean or median of the intensities.")
  var average = ClassStatistics.Average.mean

  @Flag(
    name: [.customLong("sx", withSingleDash: true), .customLong("statistics_extra")],
    help: "Also voxels, deviation, extremes, centroid and bounding box.")
  var hasExtraStatistics = false

  @Flag(
    name: [.customLong("bs", withSingleDash: true), .customLong("body_seg")], help: "First crop the image to the body.")
  var cropsToBody = false

  @Flag(
    name: [.customLong("fs", withSingleDash: true), .customLong("force_split")],
    help: "Predict in three pieces along Z.")
  var forcesSplit = false

  @Flag(name: [.customLong("ss", withSingleDash: true), .customLong("skip_saving")], help: "Write no segmentation.")
  var skipsSaving = false

  @Flag(
    name: [.customLong("ndm", withSingleDash: true), .customLong("no_derived_masks")],
    help: "Task body: no masks of body and skin.")
  var skipsDerivedMasks = false

  @Flag(
    name: [.customLong("v1o", withSingleDash: true), .customLong("v1_order")],
    help: "Task total: the classes and numbers of release 1.")
  var usesLegacyOrder = false

  @Option(
    name: [.customLong("rmb", withSingleDash: true), .customLong("remove_small_blobs")],
    help: "Drop parts of a class of at most so many mm³. (default: 200)")
  var smallBlobVolume: Double?

  @Option(
    name: [.customShort("d"), .customLong("device")], help: "gpu, cpu, or a device that 'microtome engines' lists.")
  var device: String = "gpu"

  @Flag(name: [.customShort("q"), .customLong("quiet")], help: "Say nothing but errors.")
  var isQuiet = false

  @Flag(name: [.customShort("v"), .customLong("verbose")], help: "Say more.")
  var isVerbose = false

  @Option(
    name: [.customLong("sp", withSingleDash: true), .customLong("save_probabilities")],
    help: "Also write the networks' probabilities to this .npz file.")
  var probabilities: String?

  @Option(name: [.customShort("l"), .customLong("license_number")], help: "Store a licence number first.")
  var license: String?

  @Flag(name: [.customLong("lt", withSingleDash: true), .customLong("list-tasks")], help: "List all tasks.")
  var listsTasks = false

  @Option(
    name: [.customLong("lc", withSingleDash: true), .customLong("list-classes")],
    help: "List the classes of a task. (default: total)")
  var listsClasses: String?

  @Option(name: .customLong("weights_dir"), help: "The folder of weights. (default: TotalSegmentator's)")
  var weightsFolder: String?

  @Option(name: .customLong("tasks"), help: "A JSON file with further tasks.")
  var taskFile: String?

  @OptionGroup var engine: EngineArguments

  /// The list that was asked for instead of a segmentation; nil when none was.
  func table() throws -> String? {
    if let task = listsClasses { return try catalogue().classesTable(of: task) }
    return listsTasks ? try catalogue().tasksTable : nil
  }

  /// The built-in tasks and the user's.
  func catalogue() throws -> TaskCatalogue {
    try TaskCatalogue.load(extending: taskFile.map { [$0] } ?? [])
  }

  enum ModelSize: String, ExpressibleByArgument, CaseIterable {
    case big
    case small
  }

  func validate() throws {
    if higherOrder, legacyHigherOrder {
      throw ValidationError("--higher_order_resampling and its LEGACY form exclude each other")
    }
  }
}

/// Options of TotalSegmentator that change nothing here, or ask for what is not there yet.
struct UnusedTotalSegmentArguments: ParsableArguments {
  @Option(
    name: [.customLong("nr", withSingleDash: true), .customLong("nr_thr_resamp")],
    help: "Accepted for TotalSegmentator's sake: threads are managed here.")
  var resamplingThreads = 1

  @Option(
    name: [.customLong("ns", withSingleDash: true), .customLong("nr_thr_saving")],
    help: "Accepted for TotalSegmentator's sake: threads are managed here.")
  var savingThreads = 6

  @Option(
    name: [.customLong("cp", withSingleDash: true), .customLong("crop_path")],
    help: "Accepted for TotalSegmentator's sake: crops are not kept in files.")
  var cropPath: String?

  @Flag(name: .customLong("debug"), help: "Accepted for TotalSegmentator's sake.")
  var debug = false

  @Flag(name: .customLong("use_softmax"), help: "Accepted for FastSegmentator's sake.")
  var usesSoftmax = false

  @Option(name: [.customShort("t"), .customLong("nora_tag")], help: .hidden)
  var noraTag = "None"

  @Flag(name: [.customShort("p"), .customLong("preview")], help: .hidden)
  var preview = false

  @Flag(name: [.customShort("r"), .customLong("radiomics")], help: .hidden)
  var radiomics = false

  @Option(name: [.customLong("rp", withSingleDash: true), .customLong("report")], help: .hidden)
  var report: String?

  @Option(name: .customLong("test"), help: .hidden)
  var test = 0

  /// Throws `usage` for what cannot be done.
  func check() throws {
    let missing: [(String, Bool)] = [
      ("--preview", preview), ("--radiomics", radiomics), ("--report", report != nil),
      ("--nora_tag", noraTag != "None"),
      ("--test", test != 0),
    ]
    if let (name, _) = missing.first(where: \.1) {
      throw Failure(.usage, "\(name) is not available", hint: "leave it out; the segmentation does not depend on it")
    }
  }
}

extension ClassStatistics.Average: ExpressibleByArgument {}
