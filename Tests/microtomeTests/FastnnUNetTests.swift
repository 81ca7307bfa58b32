import Basics
import ImageFormats
import Imaging
import TestSupport
import Testing

/// `microtome tasks` and `microtome fastnnunet`, with models whose answers are known.
@Suite struct FastnnUNetTests {
  private let place: Workplace
  /// (Z, Y, X) of the file.
  private static let shape = Shape3D(12, 16, 8)
  private let values: [Float]

  /// The image's axes run up, to the right and to the front, all of them oblique; its voxels are 2, 1 and 1.5 mm long.
  init() throws {
    place = try Workplace()
    var generator = SeededGenerator(seed: 5)
    values = (0..<Self.shape.count).map { _ in [10, 10, 10, 10, 10, 10, 10, 100, 100, 300][Int(generator.next() % 10)] }
    try place.add("scan.nii.gz", Gzip.compress(Self.file(values)))
    // Turned to LPS, z is the file's x, y the file's z run backwards, and x the file's y run backwards.
    var model = ThresholdModel(patch: [8, 12, 16], spacing: [2, 1.5, 1], thresholds: [0, 1.5])
    model.looksAhead = true
    try model.write(to: place.folder("turned"))
    model.looksAhead = false
    try model.write(to: place.folder("straight"))
    model = ThresholdModel(patch: [12, 16, 8], spacing: [1.5, 1, 2], thresholds: [0, 1.5])
    model.looksAhead = true
    try model.write(to: place.folder("lying"))
    model = ThresholdModel(patch: [8, 12, 16], spacing: [2, 1.5, 1], thresholds: [1.5])
    try model.write(to: place.folder("inner"))
  }

  private static func file(_ values: [Float]) -> [UInt8] {
    var image = TestImage(shape: shape)
    image.values = values
    var bytes = image.bytes
    func put<Value>(_ value: Value, at offset: Int) {
      withUnsafeBytes(of: value) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
    for (axis, size) in [Float(2), 1, 1.5].enumerated() { put(size.bitPattern.littleEndian, at: 80 + 4 * axis) }
    put(Int16(1).littleEndian, at: 254)
    // Columns are x, y and z of the file; sines and cosines are 0.28 and 0.96.
    let affine: [[Float]] = [[0, 0.96, -0.42, 10], [0, 0.28, 1.44, -20], [2, 0, 0, 30]]
    for (row, numbers) in affine.enumerated() {
      for (column, number) in numbers.enumerated() {
        put(number.bitPattern.littleEndian, at: 280 + 16 * row + 4 * column)
      }
    }
    return bytes
  }

  private func run(_ arguments: [String], name: String? = nil) throws -> ProgramRun {
    try Program.run(arguments, name: name, environment: ["MICROTOME_MODES": place.folder("modes")])
  }

  private func add(_ mode: String, _ model: String, _ options: [String] = []) throws {
    let run = try run(["tasks", "add", mode, "--model", place.folder(model)] + options)
    try #require(run.status == 0, "\(run.errors)")
  }

  private func segment(_ mode: String, _ options: [String] = []) throws -> Volume<UInt8> {
    let run = try run(
      ["fastnnunet", "--input", place.input, "--mode", mode, "-o", place.output, "--engine", "reference"] + options)
    try #require(run.status == 0, "\(run.errors)")
    let path = Path.join(place.output, "scan_\(mode).nii.gz")
    let result = try ImageReader.simpleITK.readLabels(path)
    let image = try ImageReader.simpleITK.read([Path.join(place.input, "scan.nii.gz")])
    #expect(zip(result.geometry.numbers, image.geometry.numbers).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(result.geometry.numbers.count == 15 && result.labels.shape == image.voxels.shape)
    guard case .uint8(let labels) = result.labels else { throw Failure(.internalError, "labels are not bytes") }
    return labels
  }

  /// 0, 1 and 2 for the three intensities.
  private func levels(_ value: Float) -> UInt8 { value > 200 ? 2 : value > 50 ? 1 : 0 }

  private var levelMap: Volume<UInt8> { Volume(shape: Self.shape, elements: values.map(levels)) }

  /// What lies to the left of a voxel is what lies before it along the file's y.
  @Test func turnsImagesAndTurnsLabelsBack() throws {
    try add("limb", "turned")
    let labels = try segment("limb")
    let image = Volume(shape: Self.shape, elements: values)
    for z in 0..<Self.shape.z {
      for y in 0..<Self.shape.y {
        for x in 0..<Self.shape.x {
          #expect(labels[z, y, x] == (y == 0 ? 0 : levels(image[z, y - 1, x])), "\(z) \(y) \(x)")
        }
      }
    }
  }

  /// As the image lies, a mode without postprocessing is `predict`.
  @Test func equalsPredict() throws {
    try add("mine", "lying", ["--orientation", "none"])
    let labels = try segment("mine")
    place.model = place.folder("lying")
    try AtomicFile.write(Path.read(Path.join(place.input, "scan.nii.gz")), to: place.folder("scan_0000.nii.gz"))
    let predicted = try Program.run([
      "predict", "-i", place.folder("scan_0000.nii.gz"), "-o", place.folder("predicted"), "-m", place.model, "-f", "0",
      "--engine", "reference",
    ])
    #expect(predicted.status == 0, "\(predicted.errors)")
    guard case .uint8(let expected) = try ImageReader.simpleITK.readLabels(place.folder("predicted/scan.nii.gz")).labels
    else { throw Failure(.internalError, "labels are not bytes") }
    #expect(labels.elements == expected.elements && labels.elements.contains(2))
    #expect(
      try Path.read(Path.join(place.output, "scan_mine.nii.gz")) == Path.read(place.folder("predicted/scan.nii.gz")))
  }

  @Test func cleansUp() throws {
    let steps = #"""
      {"postprocessing": [{"operation": "closing", "radius_mm": 1.5, "labels": ["level1"]},
        {"operation": "remove_small", "labels": [2], "min_voxels": 2, "connectivity": 6, "to": "level1"},
        {"operation": "keep_largest", "labels": ["level1"], "connectivity": 6},
        {"operation": "reassign", "labels": ["level2"], "to": 5}]}
      """#
    try AtomicFile.write(Array(steps.utf8), to: place.folder("steps.json"))
    try add("bone", "straight", ["--postprocessing", place.folder("steps.json")])
    let labels = try segment("bone")
    // The same in the file's own frame, where voxels are 1.5, 1 and 2 mm long.
    var expected = levelMap
    var first = Volume(shape: Self.shape, elements: expected.elements.map { $0 == 1 ? UInt8(1) : 0 })
    first.close(try Ball(radius: 1.5, spacing: Vector3D(1.5, 1, 2)))
    for index in expected.elements.indices where expected.elements[index] == 0 && first.elements[index] == 1 {
      expected.elements[index] = 1
    }
    var second = expected
    second.removeSmallComponents(of: [2], atMost: 1)
    for index in expected.elements.indices where expected.elements[index] == 2 && second.elements[index] == 0 {
      expected.elements[index] = 1
    }
    expected.keepLargestComponent(of: 1, order: .xFastest)
    expected.elements = expected.elements.map { $0 == 2 ? 5 : $0 }
    #expect(labels.elements == expected.elements)
    #expect(labels.elements.contains(5) && labels.elements != levelMap.elements)
  }

  /// The further network's label is numbered behind the others, and lies over what was found only.
  @Test func segmentsTheInside() throws {
    try add("bone", "straight", ["--subseg-model", place.folder("inner"), "--subseg-within", "level2"])
    #expect(try segment("bone").elements == levelMap.elements)
    #expect(try segment("bone", ["--enable_subseg"]).elements == values.map { $0 > 200 ? 3 : levels($0) })
    let shown = try run(["tasks", "show", "bone"])
    #expect(shown.status == 0 && shown.output.contains("  3  level1"))
    try add("bone", "straight", ["--force"])
    let none = try run(["fastnnunet", "--input", place.input, "--mode", "bone", "--enable_subseg"])
    #expect(none.status == 64 && none.complaints("bone", "no subsegmentation") == 1, "\(none.errors)")
  }

  /// Everything a mode's file can say, with paths relative to it; several models, and the tool's own name.
  @Test func readsDefinitions() throws {
    let definition = #"""
      {"description": "mine", "orientation": "LPS",
       "models": [
         {"model": "straight", "folds": ["0"], "label_map": {"level1": 7, "2": 0}, "patch_size": [8, 12, 16],
          "target_spacing": [2, 1.5, 1], "normalization_schemes": ["ZScoreNormalization"], "step_size": 0.5,
          "use_gaussian": false, "use_mirroring": false},
         {"model": "inner", "label_map": {"level1": 300}, "within": "everywhere"}],
       "labels": {"soft": 7, "hard": 300},
       "postprocessing": [{"operation": "reassign", "labels": ["hard"], "to": 9}]}
      """#
    try AtomicFile.write(Array(definition.utf8), to: place.folder("mode.json"))
    let added = try run(["tasks", "add", "own", "--definition", place.folder("mode.json")])
    #expect(added.status == 0 && added.output.contains("2 labels"), "\(added.errors)")
    #expect(try segment("own").elements == values.map { $0 > 200 ? 9 : $0 > 50 ? 7 : 0 })
    let again = try run(
      [
        "--inp", Path.join(place.input, "scan.nii.gz"), "--mode", "own", "-o", place.folder("again"), "--engine",
        "reference",
      ], name: "fastnnunet")
    #expect(again.status == 0, "\(again.errors)")
    #expect(
      try Path.read(place.folder("again/scan_own.nii.gz")) == Path.read(Path.join(place.output, "scan_own.nii.gz")))
    let list = try run(["tasks", "list"])
    #expect(list.status == 0 && list.output.contains("own") && list.output.contains("mine"))
    #expect(try run(["tasks", "remove", "own"]).status == 0)
    #expect(try run(["tasks", "remove", "own"]).status == 66)
  }

  /// An ONNX file with the document that FastnnUNet describes networks with, or its engine's settings.
  @Test func takesDescribedNetworks() throws {
    let export = try run([
      "export", "-m", place.folder("straight"), "-f", "0", "-o", place.folder("net.onnx"), "--no-check",
    ])
    #expect(export.status == 0, "\(export.errors)")
    let config = #"""
      {"patch_size": [8, 12, 16], "target_spacing": [2, 1.5, 1], "model_path": "/elsewhere/net.onnx",
       "intensity_properties": {"mean": 0, "std": 1, "percentile_00_5": 100, "percentile_99_5": 150}}
      """#
    let settings = """
      [model]
      file_name = net.trt
      num_class = 3
      [input]
      patch_size = 8,12,16
      target_spacing = 2, 1.5, 1
      [preprocessing]
      mean = 0
      std_dev = 1
      lower_bound = 100
      upper_bound = 150
      """
    try AtomicFile.write(Array(config.utf8), to: place.folder("config.json"))
    try AtomicFile.write(Array(settings.utf8), to: place.folder("net.ini"))
    for (mode, file) in [("one", "config.json"), ("two", "net.ini"), ("three", "net.onnx")] {
      let added = try run(["tasks", "add", mode, "--model", place.folder(file)])
      #expect(added.status == 0 && added.output.contains("2 labels"), "\(added.errors)")
    }
    // A file has neither folds nor checkpoints.
    let choosing = try run(["tasks", "add", "four", "--model", place.folder("net.onnx"), "-f", "3", "-chk", "x.pth"])
    #expect(choosing.status == 64 && choosing.complaints("-f and -chk", "net.onnx") == 1, "\(choosing.errors)")
    guard !InstalledOnnxRuntime.fileEngines.isEmpty else { return }
    for mode in ["one", "two", "three"] {
      let run = try run(["fastnnunet", "--input", place.input, "--mode", mode, "-o", place.output])
      #expect(run.status == 0, "\(run.errors)")
      let labels = try ImageReader.simpleITK.readLabels(Path.join(place.output, "scan_\(mode).nii.gz")).labels
      // The window of the documents begins at the middle level, which is then no more than the lowest.
      guard case .uint8(let volume) = labels else { throw Failure(.internalError, "labels are not bytes") }
      #expect(volume.elements == (mode == "three" ? levelMap.elements : values.map { $0 > 200 ? 2 : 0 }))
    }
    Path.removeTree(place.folder("net.onnx"))
    let missing = try run(["tasks", "add", "four", "--model", place.folder("config.json")])
    #expect(missing.status == 66 && missing.complaints("config.json", "net.onnx") == 1, "\(missing.errors)")
  }

  @Test func refuses() throws {
    let unregistered = try run(["fastnnunet", "--input", place.input, "--mode", "chest"])
    #expect(unregistered.status == 66 && unregistered.complaints("no weights", "tasks add chest --model") == 1)
    let unknown = try run(["fastnnunet", "--input", place.input, "--mode", "chestt"])
    #expect(unknown.status == 64 && unknown.complaints("chestt", "chest") == 1, "\(unknown.errors)")

    try add("chest", "straight")
    let again = try run(["tasks", "add", "chest", "--model", place.folder("turned")])
    #expect(again.status == 64 && again.complaints("--force") == 1)
    let missing = try run(["fastnnunet", "--input", place.folder("nothing.nii.gz"), "--mode", "chest"])
    #expect(missing.status == 66 && missing.complaints("nothing.nii.gz") == 1)
    try AtomicFile.write(Path.read(Path.join(place.input, "scan.nii.gz")), to: place.folder("scan.nii.gz"))
    let twice = try run([
      "fastnnunet", "--input", place.input, "--input", place.folder("scan.nii.gz"), "--mode", "chest",
    ])
    #expect(twice.status == 64 && twice.complaints("same name") == 1, "\(twice.errors)")

    for (steps, word) in [
      (#"[{"operation": "polish"}]"#, "polish"), (#"[{"operation": "fill_holes", "labels": ["level3"]}]"#, "level3"),
      (#"[{"operation": "fill_holes", "labels": [9]}]"#, "9"),
    ] {
      try AtomicFile.write(Array(steps.utf8), to: place.folder("bad.json"))
      let run = try run([
        "tasks", "add", "spine", "--model", place.folder("straight"), "--postprocessing", place.folder("bad.json"),
      ])
      #expect(run.status == 65 && run.complaints(word) == 1, "\(run.errors)")
    }
    let model = place.folder("straight")
    for (arguments, status) in [
      (["spine"], 64), (["spine", "--model", place.folder("nowhere")], 66),
      (["spine", "--model", model, "--orientation", "LRS"], 64),
      (["a/b", "--model", model], 64), (["spine", "--model", model, "-f", "3"], 66),
      (["spine", "--model", model, "--model-config", "x.json", "--model", place.folder("inner")], 64),
      (["spine", "--model", model, "--subseg-within", "level1"], 64),
      (["spine", "--definition", "x.json", "--orientation", "none"], 64),
      (["spine", "--definition", "x.json", "-step_size", "0.7"], 64),
      (["spine", "--definition", "x.json", "--disable_tta"], 64),
      (["spine", "--definition", "x.json", "-chk", "x.pth"], 64),
      (["spine", "--definition", "x.json", "--model-config", "x.ini"], 64),
    ] as [([String], Int32)] {
      let run = try run(["tasks", "add"] + arguments)
      #expect(run.status == status, "\(arguments): \(run.errors)")
    }
    for (setting, word) in [
      (#""patch_size": [8, 12]"#, "axes"), (#""patch_size": [7, 12, 16]"#, ""),
      (#""normalization_schemes": ["Z"]"#, "\"Z\""), (#""label_map": {"level9": 1}"#, "level9"),
      (#""within": [4]"#, "4"), (#""step_size": 2"#, "step_size"), (#""intensity_properties": {"mean": 0}"#, "std"),
      (
        #""intensity_properties": {"mean": 0, "std": 0, "percentile_00_5": 1, "percentile_99_5": 2}"#,
        "standard deviation"
      ),
    ] {
      let definition = #"{"models": [{"model": "straight", \#(setting)}]}"#
      try AtomicFile.write(Array(definition.utf8), to: place.folder("mode.json"))
      let run = try run(["tasks", "add", "spine", "--definition", place.folder("mode.json")])
      #expect(run.status == 65 && (word.isEmpty || run.complaints(word) == 1), "\(setting): \(run.errors)")
    }
    #expect(try Path.list(place.folder("modes")) == ["chest.json"])

    Path.removeTree(place.folder("straight"))
    let gone = try run(["fastnnunet", "--input", place.input, "--mode", "chest"])
    #expect(gone.status == 66 && gone.complaints("straight", "does not exist", "tasks add") == 1, "\(gone.errors)")
    #expect(try run(["tasks", "list"]).output.contains("model gone"))
    try AtomicFile.write(Array("{\"models\": [], \"speed\": 3}".utf8), to: place.folder("modes/chest.json"))
    let damaged = try run(["fastnnunet", "--input", place.input, "--mode", "chest"])
    #expect(damaged.status == 65 && damaged.complaints("chest.json", "speed") == 1)
    #expect(try run(["tasks", "list"]).output.contains("damaged"))
  }

  /// A case that cannot be read does not stop the others, and a damaged one leaves nothing behind.
  @Test func goesOnAfterABadCase() throws {
    try add("limb", "straight")
    try place.add("bad.nii.gz", [1, 2, 3])
    let run = try run([
      "fastnnunet", "--input", place.input, "--mode", "limb", "-o", place.output, "--engine", "reference",
    ])
    #expect(run.status == 65 && run.complaints("bad", "failed") == 1, "\(run.errors)")
    #expect(place.results == ["scan_limb.nii.gz"])
    let more = try self.run([
      "fastnnunet", "--input", place.input, "--mode", "limb", "-o", place.output, "--engine", "reference",
      "--continue_prediction",
    ])
    #expect(more.output.contains("done before"))
  }
}

extension SourceGeometry {
  /// Spacing, origin and direction; headers hold them in single precision.
  fileprivate var numbers: [Double] {
    guard case .itk(_, let spacing, let origin, let direction, _) = self else { return [] }
    return spacing + origin + direction
  }
}
