import Basics
import Engines
import Networks

/// Writes the networks of a trained model for other programs, each with a document beside it, and checks that what was
/// written answers as the model does.
public struct NetworkExport: Sendable {
  public enum Format: String, Sendable, CaseIterable {
    /// One file, `.onnx`.
    case onnx
    /// OpenVINO's intermediate representation, `.xml` and `.bin`.
    case openvino
    /// An `.onnx` file that wraps an engine of TensorRT, for processors like the one that is used, through ONNX Runtime.
    case tensorrt
  }

  public var format = Format.onnx
  /// What the network is to compute in. TensorRT only; `auto` is fp16.
  public var precision = Precision.auto
  /// ONNX only.
  public var operatorSet = 17
  /// The number of patches for each pass; nil leaves it open, or is 1 where it cannot be left open, for TensorRT.
  public var batch: Int?
  /// Whether the spatial sizes are left open too. ONNX only.
  public var hasOpenSizes = false
  /// One file with the mean of all folds, instead of one file for each. Not for OpenVINO.
  public var averagesFolds = false
  /// How eight-bit ranges are found; nil writes single precision. ONNX only.
  public var calibration: Calibration?
  /// Inputs to calibrate with, (C, spatial axes...).
  public var calibrationPatches: [[Float]] = []
  /// What runs the files, and prepares them for TensorRT; nil leaves them unchecked.
  public var check: Check?
  public var compile = CompileOptions(precision: .fp32)

  public init() {}

  /// How a written file is tried out.
  public struct Check: Sendable {
    /// Runs the file.
    public var engine: any ModelFileEngine
    /// Runs the model itself.
    public var judge: any Engine
    /// Inputs, (C, spatial axes...).
    public var patches: [[Float]]
    /// What the inputs are, for people.
    public var source: String
    /// The largest difference that is accepted, in parts of the largest logit; single precision only.
    public var tolerance: Float = 1e-3
    /// In less than single precision: the smallest Dice of what the file and the model find.
    public var agreement: Float = 0.9

    public init(engine: any ModelFileEngine, judge: any Engine, patches: [[Float]], source: String = "noise") {
      self.engine = engine
      self.judge = judge
      self.patches = patches
      self.source = source
    }
  }

  /// A file that was written.
  public struct Result: Sendable {
    public var path: String
    public var byteCount: Int
    /// The largest difference from the model in parts of the largest logit; nil when unchecked.
    public var difference: Float?
    /// The Dice of what the file and the model find in the patches, background left out; nil when neither finds anything.
    public var agreement: Float?
    /// Whether the file computes in single precision, where the difference counts and not the agreement.
    public var isExact: Bool
  }

  /// Exports `model` into `folder`, as `<stem>_fold<f>` for each fold, or `<stem>` alone where all is in one file.
  ///
  /// Files appear only after they have passed the check, and whole; a folder that was made for them goes again when there
  /// are none. Throws `usage` for options that do not go together, `badInput` when a network cannot be written as asked or
  /// loses too much by it, `internalError` when the file answers differently, `engine` when the check cannot be made,
  /// `cannotWrite`.
  public func run(_ model: TrainedModel, to folder: String, stem: String, isExactName: Bool = false) throws -> [Result]
  {
    try validate(model)
    let groups = averagesFolds ? [Array(model.networks.indices)] : model.networks.indices.map { [$0] }
    guard groups.count == 1 || !isExactName else {
      throw Failure(
        .usage, "\(groups.count) folds do not fit into one file",
        hint: "give a folder with -o, choose one fold with -f, or take their mean with --average")
    }
    let made = try Path.makeFolder(folder)
    do {
      return try write(model, groups, to: folder, stem: stem, isExactName: isExactName)
    } catch {
      Path.removeEmptyFolders(made)
      throw error
    }
  }

  /// Writes a file for each group of networks.
  private func write(
    _ model: TrainedModel, _ groups: [[Int]], to folder: String, stem: String, isExactName: Bool
  ) throws -> [Result] {
    let scratch = try ScratchFolder(in: folder)
    return try groups.map { group in
      try Interruption.check()
      var part = model
      part.select(group)
      let suffix = isExactName ? "" : averagesFolds ? "_mean" : "_fold\(part.folds.joined(separator: "+"))"
      let name = stem + suffix
      var result = try write(part, name: name, folder: folder, scratch: scratch.path)
      let files = try Path.list(scratch.path).filter { $0.hasPrefix(name + ".") }
      // The network itself goes last: where it is, the rest is too.
      let main = Path.split(result.path).name
      for file in files.filter({ $0 != main }) + [main] {
        try Path.move(Path.join(scratch.path, file), to: Path.join(folder, file))
      }
      result.path = Path.join(folder, Path.split(result.path).name)
      return result
    }
  }

  private func validate(_ model: TrainedModel) throws {
    guard !model.isLegacy else {
      throw Failure(
        .usage, "models of nnU-Net v1 cannot be exported: their preparation cannot be described", file: model.path)
    }
    guard !model.networks.isEmpty else {
      throw Failure(.usage, "is a network for other programs already", file: model.path)
    }
    if format == .openvino, averagesFolds || hasOpenSizes || calibration != nil {
      throw Failure(
        .usage, "means of folds, open sizes and eight bits are written as ONNX only",
        hint: "leave out --format openvino; OpenVINO reads ONNX as well")
    }
    if calibration != nil, averagesFolds, model.networks.count > 1 {
      throw Failure(
        .usage, "the mean of several folds cannot be written in eight bits", hint: "choose one fold with -f")
    }
    if format == .tensorrt, hasOpenSizes || calibration != nil {
      throw Failure(
        .usage, "networks for TensorRT have fixed sizes and compute in fp32 or fp16",
        hint: "leave out --open-sizes and --int8")
    }
    guard precision == .auto || format == .tensorrt else {
      throw Failure(.usage, "the precision of a network is decided where it runs", hint: "it can be fixed for TensorRT")
    }
    guard batch.map({ (1...4096).contains($0) }) ?? true else {
      throw Failure(.usage, "a batch of \(batch ?? 0) patches")
    }
  }

  // MARK: Writing

  /// - Parameter folder: where the file will be, for complaints.
  private func write(_ model: TrainedModel, name: String, folder: String, scratch: String) throws -> Result {
    var record = ExportRecord(model: model, precision: calibration == nil ? "fp32" : "int8")
    let file = name + (format == .openvino ? ".xml" : ".onnx")
    let path = Path.join(scratch, file)
    let patch = model.configuration.patchSize
    let batch = format == .tensorrt ? batch ?? 1 : batch
    let shape = [batch, model.inputChannelCount] + patch.map { hasOpenSizes ? nil : $0 }
    var quantization: Quantization?
    switch format {
    case .onnx, .tensorrt:
      var options = ONNXModel.Options()
      options.operatorSet = operatorSet
      options.metadata = record.metadata
      var networks = model.networks
      if let calibration {
        // Numbers of nodes must be those of the graph that is written.
        networks = networks.map { $0.optimized(.all) }
        quantization = try calibrate(calibration, networks[0], model)
        options.quantization = quantization
      }
      try ONNXModel(ensemble: networks, inputShape: shape, options: options).write(toFile: path)
      if format == .tensorrt { try prepare(path, model, &record) }
    case .openvino:
      let written = try OpenVINOModel(model.networks[0].optimized(.all), inputShape: shape, copiesWeights: true)
      try AtomicFile.write(written.description, to: path)
      let binary = try AtomicFile(path: Path.join(scratch, name + ".bin"))
      try binary.write(written.weights.bytes)
      try binary.commit()
    }
    var result = Result(
      path: path, byteCount: try MappedFile(path: path).bytes.count, isExact: record.precision == "fp32")
    var more: [(String, JSON)] = []
    if let check {
      let (difference, agreement) = try compare(path, model, check)
      (result.difference, result.agreement) = (difference, agreement)
      try judge(result, check, of: Path.join(folder, file))
      more.append(
        (
          "check",
          .object([
            "engine": .string("\(check.engine.name) \(check.engine.version)"),
            "against": .string("\(check.judge.name) \(check.judge.version)"), "patches": .int(check.patches.count),
            "largest_relative_difference": .double(Double(difference)),
            "foreground_dice": agreement.map { JSON.double(Double($0)) } ?? .null,
          ])
        ))
    }
    if format != .openvino { more.append(("opset", .int(operatorSet))) }
    if let quantization { more.append(("quantized_convolutions", .int(quantization.inputs.count))) }
    let content = try MappedFile(path: path)
    let digest = withExtendedLifetime(content) { SHA256.hexadecimal(content.bytes) }
    let document = record.document(file: file, sha256: digest, more: more)
    try AtomicFile.write(Array(document.text(indent: 2).utf8), to: Path.join(scratch, name + ".json"))
    return result
  }

  /// Replaces a network by what TensorRT makes of it, and notes what that computes in.
  private func prepare(_ path: String, _ model: TrainedModel, _ record: inout ExportRecord) throws {
    guard let engine = check?.engine else {
      throw Failure(.engine, "preparing a network for TensorRT needs the engine that runs it")
    }
    let prepared = path + ".prepared.onnx"
    let (input, output) = try shapes(model)
    record.precision = try engine.prepare(
      ONNXFile.read(path), inputShape: input, outputShape: output, options: fileOptions, to: prepared
    ).rawValue
    // Some versions keep what the network said about itself. Of two entries of one name the last counts.
    try ONNXFile.append(record.metadata, to: prepared)
    try Path.move(prepared, to: path)
  }

  /// How the written file is compiled.
  private var fileOptions: CompileOptions {
    guard format == .tensorrt else { return compile }
    return CompileOptions(device: "TENSORRT", precision: precision)
  }

  /// Of the network's input and answer.
  private func shapes(_ model: TrainedModel) throws -> (input: [Int], output: [Int]) {
    let input = [batch ?? 1, model.inputChannelCount] + model.configuration.patchSize
    return (input, try model.networks[0].graph.outputShape(forInput: input))
  }

  private func calibrate(_ calibration: Calibration, _ network: Network, _ model: TrainedModel) throws -> Quantization {
    guard let engine = check?.judge else {
      throw Failure(.engine, "calibration needs an engine that runs the network")
    }
    return try calibration.ranges(
      of: network, examples: calibrationPatches,
      inputShape: [1, model.inputChannelCount] + model.configuration.patchSize,
      engine: engine, options: compile)
  }

  // MARK: Checking

  /// - Parameter path: what the file would be called.
  private func judge(_ result: Result, _ check: Check, of path: String) throws {
    let difference = result.difference ?? .infinity
    if result.isExact, !(difference <= check.tolerance) {
      throw Failure(
        .internalError,
        "the exported network answers differently in \(check.engine.name) than the model in \(check.judge.name): by "
          + "\(difference) of the largest logit, where \(check.tolerance) is allowed",
        file: path, hint: "it is not written; --no-check writes it all the same")
    }
    let agreement = difference.isFinite ? result.agreement : 0
    if !result.isExact, let agreement, !(agreement >= check.agreement) {
      throw Failure(
        .badInput,
        "in \(calibration == nil ? "half precision" : "eight bits") the network finds other things than before: their "
          + "Dice is \(agreement), where \(check.agreement) is asked for", file: path,
        hint: calibration == nil
          ? "use --precision fp32" : "calibrate with more typical images, or with --calibration-rule extremes")
    }
  }

  /// The largest difference between file and model in parts of the largest logit, and the Dice of what they find.
  private func compare(
    _ path: String, _ model: TrainedModel, _ check: Check
  ) throws -> (difference: Float, agreement: Float?) {
    let (inputShape, outputShape) = try shapes(model)
    let request = try check.engine.compile(
      readNetworkFile(path), inputShape: inputShape, outputShape: outputShape, options: fileOptions
    ).makeRequest()
    let originals = try model.networks.map {
      try check.judge.compile($0, inputShape: [1] + inputShape.dropFirst(), options: compile).makeRequest()
    }
    let size = outputShape.dropFirst().reduce(1, *)
    var (difference, largest): (Float, Float) = (0, 0)
    var overlap = ForegroundOverlap(hasRegions: model.dataset.labels.hasRegions)
    for patch in check.patches {
      try Interruption.check()
      // In a batch the patch is repeated; its last answer is looked at.
      for index in request.input.indices { request.input[index] = patch[index % patch.count] }
      try request.start()
      var expected = [Float](repeating: 0, count: size)
      for original in originals {
        _ = original.input.update(fromContentsOf: patch)
        try original.start()
        for (index, value) in try original.wait().enumerated() { expected[index] += value / Float(originals.count) }
      }
      let answer = try request.wait().suffix(size)
      for (value, exact) in zip(answer, expected) {
        // A value that is not a number makes the difference none too, which no tolerance admits.
        difference = value == exact ? difference : value.isFinite ? max(difference, abs(value - exact)) : .infinity
        largest = max(largest, abs(exact))
      }
      overlap.add(Array(answer), expected, channels: outputShape[1])
    }
    return (difference / max(largest, .leastNormalMagnitude), overlap.dice)
  }
}

extension TrainedModel {
  /// Keeps some of the folds.
  fileprivate mutating func select(_ indices: [Int]) {
    self = TrainedModel(
      path: path, dataset: dataset, plans: plans, configuration: configuration, trainerName: trainerName,
      mirrorAxes: mirrorAxes, networks: indices.map { networks[$0] }, folds: indices.map { folds[$0] })
  }
}
