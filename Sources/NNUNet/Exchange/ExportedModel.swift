import Basics
import Networks

/// Opens files with networks as models: our own ONNX files by what they say about themselves, others by a document beside
/// them.
public enum ExportedModel {
  /// Whether a path names a file with a network, ONNX or OpenVINO's, rather than a model folder.
  public static func isModelFile(_ path: String) -> Bool {
    endings.contains(where: path.hasSuffix) && !Path.isFolder(path)
  }

  static let endings = [".onnx", ".xml"]

  /// Opens the model of a file.
  ///
  /// - Parameter description: the JSON or INI document that describes the model; nil for what is inside the file, or else
  ///   for the document beside it that has its name or names it.
  ///
  /// Throws `missingInput` when the file or every description of it is missing, and `badInput` when the file is damaged,
  /// cannot be run, or does not do what the description says.
  public static func load(_ path: String, description: String? = nil) throws -> TrainedModel {
    guard Path.isFile(path) else {
      throw Failure(
        .missingInput, "does not exist", file: path, hint: "-m takes a model folder, an ONNX file or OpenVINO's .xml")
    }
    let file = try readNetworkFile(path)
    let ports = try file.segmentationPorts()
    if description == nil, let file = file as? ONNXFile, file.metadata[ExportRecord.mark] != nil {
      return try locating(path) { try own(file, ports.input, ports.output) }
    }
    let place = try description ?? ModelDescription.path(beside: path)
    let known = try ModelDescription.read(place)
    return try locating(place) { try known.model(file, ports.input, ports.output) }
  }

  /// Whether a path names the document (JSON or INI) that describes a file with a network.
  public static func isDescription(_ path: String) -> Bool {
    Path.isFile(path) && (path.hasSuffix(".json") || path.hasSuffix(".ini"))
  }

  /// The file that a document describes: the one it names, in the folder it names or beside the document, or the one
  /// beside it with the document's own name, or with the name it gives to a file in another format.
  ///
  /// Throws `missingInput` when there is none, and `badInput` when the document cannot be read.
  public static func file(describedBy path: String) throws -> String {
    let (folder, name) = Path.split(path)
    let stem = name.hasSuffix(".ini") ? name.dropLast(4) : name.dropLast(5)
    let named = try ModelDescription.read(path).json["model_path"]?.string
    let candidates = [named, named.map { Path.join(folder, $0) }, named.map { Path.join(folder, Path.split($0).name) }]
    let names = [String(stem), ModelDescription.networkName(in: path)].compactMap(\.self)
    let beside = names.flatMap { name in endings.map { Path.join(folder, name + $0) } }
    let all = candidates.compactMap(\.self) + beside
    guard let found = all.first(where: { isModelFile($0) && Path.isFile($0) }) else {
      throw Failure(
        .missingInput, "there is no network beside this description", file: path,
        hint: "put \(named.map { Path.split($0).name } ?? "\(stem).onnx") beside it")
    }
    return found
  }

  private static func own(_ file: ONNXFile, _ input: NetworkPort, _ output: NetworkPort) throws -> TrainedModel {
    func json(_ key: String) throws -> JSON {
      guard let text = file.metadata[key] else { throw Failure(.badInput, "does not hold \"\(key)\"") }
      return try JSON(parsing: Array(text.utf8))
    }
    guard let configuration = file.metadata["configuration"] else {
      throw Failure(.badInput, "does not hold \"configuration\"")
    }
    return try model(
      file, input, output, plans: Plans(json: json("plans")), configuration: configuration,
      dataset: DatasetDescription(json: json("dataset")), trainer: file.metadata["trainer"] ?? "unknown",
      folds: json("folds").strings ?? [], mirrorAxes: json("mirror_axes").ints ?? [])
  }

  /// Checks that the network is the one described. Throws `badInput`.
  static func model(
    _ file: any NetworkFile, _ input: NetworkPort, _ output: NetworkPort, plans: Plans, configuration name: String,
    dataset: DatasetDescription, trainer: String, folds: [String], mirrorAxes: [Int]
  ) throws -> TrainedModel {
    let configuration = try plans.configuration(name)
    let patch = configuration.patchSize
    func disagree(_ network: String, _ description: String) -> Failure {
      Failure(
        .badInput, "the network \(network), but its description says \(description)",
        hint: "the description belongs to another network")
    }
    guard input.shape.count == patch.count + 2 else {
      throw disagree("takes arrays of \(input.shape.count - 2) spatial axes", "that patches have \(patch.count)")
    }
    for (axis, size) in input.shape.dropFirst(2).enumerated() {
      guard let size, size != patch[axis] else { continue }
      throw disagree("takes \(size) voxels along axis \(axis)", "\(patch[axis])")
    }
    guard configuration.normalizations.count >= dataset.channelCount else {
      throw Failure(
        .badInput,
        "\(configuration.normalizations.count) channels are normalised, the images have \(dataset.channelCount)")
    }
    guard Set(mirrorAxes).count == mirrorAxes.count, mirrorAxes.allSatisfy(patch.indices.contains) else {
      throw Failure(.badInput, "the mirror axes \(mirrorAxes) are not axes of the patch")
    }
    var model = TrainedModel(
      path: file.path, dataset: dataset, plans: plans, configuration: configuration, trainerName: trainer,
      mirrorAxes: mirrorAxes, networks: [], folds: folds)
    model.file = file
    let (channels, classes) = (model.inputChannelCount, dataset.labels.outputCount)
    if let size = input.shape[1], size != channels { throw disagree("takes \(size) channel(s)", "\(channels)") }
    if output.shape.count > 1, let size = output.shape[1], size != classes {
      throw disagree("gives \(size) class(es)", "\(classes)")
    }
    return model
  }
}
