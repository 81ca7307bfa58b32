import Basics
import Checkpoints
import Engines
import Evaluation
import ImageFormats
import Imaging
import Networks
import TestSupport
import Testing

@testable import NNUNet

/// Exported networks, run from their files.
@Suite(.enabled(if: !InstalledOnnxRuntime.fileEngines.isEmpty, InstalledOnnxRuntime.absence)) struct ExportTests {
  private static let engines = InstalledOnnxRuntime.fileEngines

  /// 3D, 2D, anisotropic, transposed, mirrored over two axes, CT, regions, several folds, batch normalisation.
  private static let names = [
    "aniso_kernels", "float_ct", "mirror_01", "regions", "nifti_2d", "transpose_201", "batch_norm", "residual",
  ]

  /// At most 0.05 % of the voxels of networks with random weights, as for the models themselves.
  @Test(arguments: names) func filesSegmentAsTheirModels(name: String) throws {
    let folder = try TemporaryFolder()
    var job = try GoldenModel(name).job(in: folder, output: folder("expected"))
    #expect(try job.open().run(on: Self.engines[0]) { _ in }.failures == [])
    let model = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    var export = NetworkExport()
    export.check = .init(
      engine: try #require(Self.engines.last), judge: ReferenceEngine(),
      patches: PatchSource(model: model).noise(count: 1))
    let result = try #require(try export.run(model, to: folder("onnx"), stem: "model").first)
    #expect(result.path == folder("onnx/model_fold0.onnx"))
    #expect(try #require(result.difference) < 1e-3)
    #expect(try Path.list(folder("onnx")).sorted() == ["model_fold0.json", "model_fold0.onnx"])
    for (index, engine) in Self.engines.enumerated() {
      job.modelFolder = result.path
      job.outputFolder = folder("labels\(index)")
      #expect(try job.open().run(on: engine) { _ in }.failures == [])
      for file in try Path.list(folder("expected")) where !file.hasSuffix(".json") {
        let ours = try model.plans.reader.readLabels(Path.join(job.outputFolder, file))
        let theirs = try model.plans.reader.readLabels(folder("expected/\(file)"))
        #expect(ours.geometry == theirs.geometry)
        #expect(try ours.labels.fractionDifferent(from: theirs.labels) <= 5e-4, "\(engine.name)")
      }
    }
    // The document alone describes the same model, for networks that carry nothing inside.
    let described = try ExportedModel.load(result.path, description: folder("onnx/model_fold0.json"))
    let inside = try ExportedModel.load(result.path)
    #expect(described.plans.json == inside.plans.json && described.dataset.json == inside.dataset.json)
    #expect(described.mirrorAxes == inside.mirrorAxes && described.mirrorAxes == model.mirrorAxes)
    #expect(described.configuration.name == model.configuration.name && inside.folds == ["0"])
  }

  /// Half precision keeps nine of ten voxels of networks with random weights, where classes are all but equal.
  @Test(.enabled(if: InstalledOnnxRuntime.hasTensorRT, "there is no TensorRT")) func preparedFilesAnswerAsTheirModels()
    throws
  {
    let folder = try TemporaryFolder()
    let job = try GoldenModel("float_ct").job(in: folder, output: folder("out"))
    let model = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    var export = NetworkExport()
    export.format = .tensorrt
    export.check = .init(
      engine: try InstalledOnnxRuntime.require(), judge: ReferenceEngine(),
      patches: PatchSource(model: model).noise(count: 1))
    for precision in [Precision.fp16, .fp32] {
      export.precision = precision
      let result = try #require(try export.run(model, to: folder(precision.rawValue), stem: "m").first)
      let written = try ExportedModel.load(result.path)
      let file = try #require(written.file as? ONNXFile)
      #expect(file.isPrepared && file.metadata["precision"] == precision.rawValue)
      #expect(written.mirrorAxes == model.mirrorAxes)
    }
  }

  @Test func foldsAreAveraged() throws {
    let folder = try TemporaryFolder()
    let job = try GoldenModel("folds").job(in: folder, output: folder("out"))
    let model = try TrainedModel.load(folder: job.modelFolder, folds: job.folds, checkpoint: job.checkpoint)
    #expect(model.networks.count > 1)
    var export = NetworkExport()
    export.check = .init(
      engine: Self.engines[0], judge: ReferenceEngine(), patches: PatchSource(model: model).noise(count: 1))
    #expect(try export.run(model, to: folder("each"), stem: "m").count == model.networks.count)
    #expect(throws: Failure.self) { try export.run(model, to: folder("one"), stem: "m", isExactName: true) }
    export.averagesFolds = true
    let mean = try export.run(model, to: folder("one"), stem: "m", isExactName: true)
    #expect(mean.map(\.path) == [folder("one/m.onnx")] && mean[0].difference.map { $0 < 1e-3 } == true)
    #expect(try ExportedModel.load(folder("one/m.onnx")).folds == job.folds)
    // A fold that is named twice counts once.
    let repeated = try TrainedModel.load(
      folder: job.modelFolder, folds: ["1", "0", "1"], checkpoint: job.checkpoint)
    #expect(repeated.folds == ["1", "0"] && repeated.networks.count == 2)
  }

  /// A file that answers differently is not left behind, nor is a folder that was made for it.
  @Test func whatDiffersIsNotWritten() throws {
    let folder = try TemporaryFolder()
    let job = try GoldenModel("float_ct").job(in: folder, output: folder("out"))
    let model = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    var export = NetworkExport()
    var check = NetworkExport.Check(
      engine: Self.engines[0], judge: ReferenceEngine(), patches: PatchSource(model: model).noise(count: 1))
    check.tolerance = -1
    export.check = check
    let failure = #expect(throws: Failure.self) { try export.run(model, to: folder("new/onnx"), stem: "m") }
    #expect(failure?.kind == .internalError && failure?.file == folder("new/onnx/m_fold0.onnx"))
    #expect(!Path.exists(folder("new")))
    try Path.makeFolder(folder("old"))
    #expect(throws: Failure.self) { try export.run(model, to: folder("old"), stem: "m") }
    #expect(try Path.list(folder("old")) == [])
  }

  @Test(.enabled(if: InstalledOpenVINO.engine != nil, InstalledOpenVINO.absence))
  func openVINOFilesAnswerAsTheirModels()
    throws
  {
    let folder = try TemporaryFolder()
    let job = try GoldenModel("aniso_kernels").job(in: folder, output: folder("out"))
    let model = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    var export = NetworkExport()
    export.format = .openvino
    export.check = .init(
      engine: try InstalledOpenVINO.require(), judge: ReferenceEngine(),
      patches: PatchSource(model: model).noise(count: 1))
    let result = try export.run(model, to: folder("ir"), stem: "m", isExactName: true)
    #expect(result.first?.difference.map { $0 < 1e-3 } == true)
    #expect(try Path.list(folder("ir")).sorted() == ["m.bin", "m.json", "m.xml"])
    // The file is a model, by the document beside it.
    var labels: [LabelMap] = []
    for (index, place) in [job.modelFolder, folder("ir/m.xml")].enumerated() {
      var run = job
      (run.modelFolder, run.outputFolder, run.folds) = (place, folder("labels\(index)"), ["0"])
      #expect(try run.open().run(on: InstalledOpenVINO.require()) { _ in }.failures == [])
      let file = try #require(try Path.list(run.outputFolder).first { !$0.hasSuffix(".json") })
      labels.append(try model.plans.reader.readLabels(Path.join(run.outputFolder, file)).labels)
    }
    #expect(try labels[0].fractionDifferent(from: labels[1]) <= 5e-4)
    let opened = try ExportedModel.load(folder("ir/m.xml"))
    #expect(opened.networkName == "OpenVINO (m.xml)" && opened.mirrorAxes == model.mirrorAxes)
    // Both kinds of file can share the document.
    var other = export
    other.format = .onnx
    _ = try other.run(model, to: folder("ir"), stem: "m", isExactName: true)
    #expect(try ExportedModel.load(folder("ir/m.xml")).dataset.json == opened.dataset.json)
    if let engine = InstalledOnnxRuntime.engine {
      let failure = #expect(throws: Failure.self) { try Predictor(model: opened, engine: engine, options: .init()) }
      #expect(failure?.hint?.contains("openvino") == true)
    }
    export.averagesFolds = true
    #expect(#expect(throws: Failure.self) { try export.run(model, to: folder("ir"), stem: "m") }?.kind == .usage)
  }
}

/// Networks from elsewhere and what describes them. Nothing is run.
@Suite struct ModelDescriptionTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let configuration = UNetConfiguration(
      spatialRank: 3, inputChannels: 1, outputChannels: 3, features: [2, 3], kernels: [[3, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [2, 2, 2]], blocksPerStage: [1, 1], blocksPerDecoderStep: [1])
    let graph = try configuration.makeGraph()
    let network = try Network(
      graph: graph,
      weights: Dictionary(
        uniqueKeysWithValues: graph.parameters.map {
          ($0.name, try .init(floats: [Float](repeating: 0.1, count: $0.count), shape: $0.shape))
        }))
    try ONNXModel(network, inputShape: [nil, 1, 8, 8, 8]).write(toFile: folder("net.onnx"))
  }

  private static let json = """
    {"patch_size": [8, 8, 8], "target_spacing": [3.0, 0.78, 0.78], "model_path": "models/net.onnx",
     "intensity_properties": {"mean": 85.8, "std": 108.0, "percentile_00_5": -913.0, "percentile_99_5": 284.0}}
    """

  private static let ini = """
    ; an engine's settings
    [model]
    file_name = turbo.trt
    input_name = input
    output_name = output
    num_class = 3
    [input]
    depth = 8
    height = 8
    width = 8
    patch_size = 8,8,8
    target_spacing = 2.0, 0.9765625, 0.9765625
    [preprocessing]
    mean = 418.67   # of the foreground
    std_dev = 412.18
    lower_bound = -60.0
    upper_bound = 3068.0
    [inference]
    use_mirroring = false
    step_size = 0.25
    use_gaussian = true
    """

  private func load(_ text: String, as name: String) throws -> TrainedModel {
    try AtomicFile.write(Array(text.utf8), to: folder(name))
    return try ExportedModel.load(folder("net.onnx"))
  }

  @Test func readsJSON() throws {
    let missing = #expect(throws: Failure.self) { try ExportedModel.load(folder("net.onnx")) }
    #expect(missing?.kind == .missingInput && missing?.hint?.contains("net.json") == true)
    // Found by the name of the model in it, wherever that lies.
    let model = try load(Self.json, as: "config.json")
    #expect(model.configuration.patchSize == [8, 8, 8] && model.configuration.spacing == [3, 0.78, 0.78])
    #expect(
      model.configuration.normalizations == [
        .ct(.init(mean: 85.8, standardDeviation: 108, lowPercentile: -913, highPercentile: 284))
      ])
    #expect(model.dataset.labels.outputCount == 3 && model.mirrorAxes == [] && model.networkCount == 1)
    #expect(model.dataset.fileEnding == ".nii.gz")
    let mirrored = try load(
      Self.json.replacing(
        "{\"patch", with: "{\"use_mirroring\": true, \"labels\": {\"background\": 0, \"a\": 1, \"b\": 2}, \"patch"),
      as: "net.json")
    #expect(mirrored.mirrorAxes == [0, 1, 2] && mirrored.dataset.labels.foreground.map(\.name) == ["a", "b"])
    let listed = try load(
      Self.json.replacing("{\"patch", with: "{\"labels\": [\"background\", \"c\", \"d\"], \"patch"), as: "net.json")
    #expect(listed.dataset.labels.foreground.map(\.name) == ["c", "d"])
  }

  @Test func readsSettings() throws {
    let model = try load(Self.ini, as: "net.ini")
    #expect(model.configuration.spacing == [2, 0.9765625, 0.9765625] && model.step == 0.25)
    #expect(
      model.configuration.normalizations == [
        .ct(.init(mean: 418.67, standardDeviation: 412.18, lowPercentile: -60, highPercentile: 3068))
      ])
  }

  /// Files are renamed together with their documents, which go on naming the old one.
  @Test func ownNamesAndWishesGoBeforeWhatIsNamed() throws {
    let renamed = Self.json.replacing("models/net.onnx", with: "old.xml")
    let model = try load(renamed, as: "net.json")
    #expect(model.configuration.patchSize == [8, 8, 8])
    Path.removeTree(folder("net.json"))
    try AtomicFile.write(Array(renamed.utf8), to: folder("chosen.json"))
    let failure = #expect(throws: Failure.self) { try ExportedModel.load(folder("net.onnx")) }
    #expect(failure?.kind == .missingInput && failure?.message.contains("chosen.json describes old.xml") == true)
    let chosen = try ExportedModel.load(folder("net.onnx"), description: folder("chosen.json"))
    #expect(chosen.configuration.spacing == model.configuration.spacing)
    try AtomicFile.write(Array(Self.ini.replacing("turbo.trt", with: "old.onnx").utf8), to: folder("chosen.ini"))
    let settings = try ExportedModel.load(folder("net.onnx"), description: folder("chosen.ini"))
    #expect(settings.step == 0.25)
  }

  /// FastnnUNet's settings name an engine of TensorRT, of which nothing else is known.
  @Test func settingsOfAnEngineAreTheNetworks() throws {
    #expect(try load(Self.ini, as: "config.ini").configuration.spacing[0] == 2)
    let own = Self.ini.replacing("turbo.trt", with: "net.ENGINE").replacing("= 2.0,", with: "= 3.0,")
    #expect(try load(own, as: "second.ini").configuration.spacing[0] == 3)
    #expect(try ExportedModel.file(describedBy: folder("second.ini")) == folder("net.onnx"))
    // The other format's document is better than an engine's, and the file's own better still.
    let foreign = Self.json.replacing("models/net.onnx", with: "net.xml").replacing("[3.0,", with: "[4.0,")
    Path.removeTree(folder("second.ini"))
    #expect(try load(foreign, as: "a.json").configuration.spacing[0] == 4)
    #expect(try load(Self.json, as: "b.json").configuration.spacing[0] == 3)
    for name in ["a.json", "b.json"] { Path.removeTree(folder(name)) }
    let failure = #expect(throws: Failure.self) {
      try load(Self.ini.replacing("turbo.trt", with: "slow.plan"), as: "other.ini")
    }
    #expect(failure?.kind == .missingInput && failure?.hint == "name the right one with --model-config")
    for words in ["several", "config.ini describes turbo.trt", "other.ini describes slow.plan"] {
      #expect(failure?.message.contains(words) == true)
    }
  }

  /// What lies beside a network and is not taken, why, and what kind of failure that is.
  @Test(arguments: [
    ("turbo.trt", "other.onnx", "config.ini describes other.onnx", Failure.Kind.missingInput),
    ("file_name = turbo.trt", "", "does not say in \"file_name\"", .missingInput),
    ("step_size = 0.25", "step_size 0.25", "config.ini cannot be read: line", .missingInput),
    ("mean = 418.67", "mean = many", "\"mean\" is many", .badInput),
    ("depth = 8", "depth = 4", "but depth, height and width are", .badInput),
  ]) func saysWhyADocumentIsNotTaken(old: String, new: String, words: String, kind: Failure.Kind) throws {
    // What has nothing to do with networks is not spoken of.
    try AtomicFile.write(Array("{}".utf8), to: folder("dataset.json"))
    let failure = #expect(throws: Failure.self) { try load(Self.ini.replacing(old, with: new), as: "config.ini") }
    #expect(failure?.kind == kind && failure?.message.contains(words) == true, "\(failure?.description ?? "")")
    #expect(failure?.file == folder(kind == .badInput ? "config.ini" : "net.onnx"))
    #expect(failure?.message.contains("dataset.json") == false)
  }

  /// What is wrong and the words that tell.
  @Test(arguments: [
    ("[8, 8, 8], \"target_spacing\": [3.0, 0.78, 0.78]", "[8, 8], \"target_spacing\": [0.78, 0.78]", "spatial axes"),
    ("\"patch_size\": [8, 8, 8]", "\"patch_size\": [16, 8, 8]", "16"), ("[3.0, 0.78, 0.78]", "[3.0]", "spacing"),
    ("\"std\"", "\"deviation\"", "intensity_properties"), ("{\"patch", "{\"num_class\": 61, \"patch", "61"),
    ("{\"patch", "{\"labels\": {\"background\": 0, \"a\": 1}, \"patch", "class(es)"),
    ("{\"patch", "{\"input_channels\": 2, \"patch", "channel(s)"),
    ("{\"patch", "{\"orientation\": \"LPS\", \"patch", "LPS"), ("{\"patch", "{\"step_size\": 0, \"patch", "step_size"),
    ("{\"patch", "{\"input_name\": \"image\", \"patch", "image"),
    ("{\"patch", "{\"mirroring_axes\": [3], \"patch", "mirror"),
    ("{\"patch", "{\"normalization_schemes\": [\"NoNormalization\", \"NoNormalization\"], \"patch", "schemes\" has 2"),
    ("{\"patch", "{\"labels\": [\"background\", \"a\"], \"patch", "class(es)"),
    ("{\"patch", "{\"labels\": [\"a\", \"b\", \"c\"], \"patch", "background"),
    ("{\"patch", "{\"labels\": \"all\", \"patch", "neither an object"),
    ("108.0", "0", "standard deviation"), ("284.0", "-950", "lower bound"),
    ("{\"patch", "[\"patch", ""),
  ]) func refusesDisagreement(old: String, new: String, words: String) throws {
    let failure = #expect(throws: Failure.self) { try load(Self.json.replacing(old, with: new), as: "net.json") }
    #expect(failure?.kind == .badInput && failure?.description.contains(words) == true, "\(failure?.description ?? "")")
    #expect(failure?.file?.hasSuffix("net.json") == true)
  }

  @Test(arguments: [
    ("depth = 8", "depth = 4", "depth"), ("mean = 418.67", "mean = many", "mean"), ("std_dev", "deviation", "std_dev"),
    ("step_size = 0.25", "step_size 0.25", "line"), ("num_class = 3", "num_class = 61", "61"),
    ("use_mirroring = false", "use_mirroring = perhaps", "use_mirroring"),
    ("std_dev = 412.18", "std_dev = 0", "standard deviation"),
  ]) func refusesSettings(old: String, new: String, words: String) throws {
    let failure = #expect(throws: Failure.self) { try load(Self.ini.replacing(old, with: new), as: "net.ini") }
    #expect(failure?.kind == .badInput && failure?.description.contains(words) == true, "\(failure?.description ?? "")")
  }

  /// Truncated, empty and absent files, and engines that cannot run them.
  @Test func refusesFiles() throws {
    _ = try load(Self.json, as: "net.json")
    let job = PredictionJob(
      input: folder.path, outputFolder: folder("out"), modelFolder: folder("net.onnx"), folds: [], checkpoint: "",
      options: PredictionOptions())
    let opened = try job.open()
    #expect(throws: Failure.self) { try Predictor(model: opened.model, engine: ReferenceEngine(), options: .init()) }
    let whole = try Path.read(folder("net.onnx"))
    for count in [0, 10, whole.count / 2, whole.count - 1] {
      try AtomicFile.write(Array(whole[..<count]), to: folder("net.onnx"))
      #expect(#expect(throws: Failure.self) { try ExportedModel.load(folder("net.onnx")) }?.kind == .badInput)
    }
    #expect(#expect(throws: Failure.self) { try ExportedModel.load(folder("no.onnx")) }?.kind == .missingInput)
  }
}
