import ArgumentParser
import Basics
import Checkpoints
import ImageFormats
import NNUNet
import Networks

/// `microtome inspect`
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what a model folder, a file with a network, a checkpoint or an image is.")

  @Argument(
    help: "A model folder, a network (.onnx, OpenVINO's .xml), a checkpoint (.pth, .model, .safetensors) or an image.")
  var path: String

  func run() throws {
    guard Path.exists(path) else { throw Failure(.missingInput, "does not exist", file: path) }
    if Path.isFolder(path) {
      try inspectModel()
    } else if ExportedModel.isModelFile(path) {
      try inspectNetwork()
    } else if [".pth", ".pt", ".model", ".safetensors", ".bin"].contains(where: path.hasSuffix) {
      try inspectCheckpoint()
    } else {
      try inspectImage()
    }
  }

  private func field(_ name: String, _ value: String) {
    Console.print(name + String(repeating: " ", count: max(1, 16 - name.count)) + value)
  }

  private func inspectModel() throws {
    if LegacyModel.isLegacy(folder: path) { return try inspectLegacyModel() }
    guard Path.exists(Path.join(path, "plans.json")) else {
      throw Failure(
        .badInput, "is not a model folder: it has no plans.json", file: path,
        hint: "a model folder is named <Trainer>__<Plans>__<Configuration>")
    }
    let plans = try Plans.read(Path.join(path, "plans.json"))
    let dataset = try DatasetDescription.read(Path.join(path, "dataset.json"))
    field("dataset", plans.datasetName)
    field("plans", plans.plansName)
    field("configurations", plans.configurationNames.joined(separator: ", "))
    field("reader", "\(plans.reader.rawValue), files ending in \(dataset.fileEnding)")
    field("channels", "\(dataset.channelCount)")
    let labels = dataset.labels
    let kind = labels.hasRegions ? "regions" : "classes"
    field(kind, names(of: labels))
    if let ignore = labels.ignore { field("ignore label", "\(ignore)") }
    for name in try Path.list(path) where name.hasPrefix("fold_") {
      let folder = Path.join(path, name)
      let checkpoints = try Path.list(folder).filter { $0.hasSuffix(".pth") }
      field(name, checkpoints.isEmpty ? "no checkpoint" : checkpoints.joined(separator: ", "))
      guard let checkpoint = checkpoints.first else { continue }
      let model = try TrainedModel.load(
        folder: path, folds: [String(name.dropFirst("fold_".count))], checkpoint: checkpoint)
      let shape = [1, model.inputChannelCount] + model.configuration.patchSize
      field(
        "",
        "\(model.configuration.name), \(model.trainerName), \(model.networks[0].graph.name), patch "
          + "\(model.configuration.patchSize.map(String.init).joined(separator: "x")), spacing "
          + "\(model.configuration.spacing.map { "\($0)" }.joined(separator: " x ")) mm, mirror axes \(model.mirrorAxes)"
      )
      field("", "\(try model.networks[0].graph.cost(forInput: shape))")
    }
  }

  private func inspectLegacyModel() throws {
    let checkpoint = LegacyModel.checkpointName
    let folds = LegacyModel.availableFolds(folder: path, checkpoint: checkpoint)
    guard !folds.isEmpty else {
      throw Failure(.missingInput, "is a model of nnU-Net v1, but no fold has a \(checkpoint)", file: path)
    }
    let model = try TrainedModel.load(folder: path, folds: [folds[0]], checkpoint: checkpoint)
    field("made by", "nnU-Net v1")
    field("task", model.plans.datasetName)
    field("plans", model.plans.plansName)
    field("configuration", "\(model.configuration.name), \(model.trainerName)")
    field("channels", "\(model.dataset.channelCount)")
    field(
      model.dataset.labels.hasRegions ? "regions" : "classes",
      "\(model.dataset.labels.foreground.count) and background")
    field("folds", folds.joined(separator: ", "))
    field(
      "patch",
      "\(model.configuration.patchSize.map(String.init).joined(separator: "x")), spacing "
        + "\(model.configuration.spacing.map { "\($0)" }.joined(separator: " x ")) mm, mirror axes \(model.mirrorAxes)")
    field(
      "network",
      "\(try model.networks[0].graph.cost(forInput: [1, model.inputChannelCount] + model.configuration.patchSize))")
  }

  private func inspectNetwork() throws {
    let file = try readNetworkFile(path)
    if let onnx = file as? ONNXFile {
      let kind = onnx.isPrepared ? ", prepared for one device" : onnx.isQuantized ? ", eight bits" : ""
      field("format", "ONNX, operator set \(onnx.operatorSet)\(kind)")
      if !onnx.producer.isEmpty { field("made by", onnx.producer) }
    } else {
      field("format", "OpenVINO's intermediate representation")
    }
    for (kind, ports) in [("input", file.inputs), ("output", file.outputs)] {
      for port in ports {
        let sizes = port.shape.map { $0.map(String.init) ?? "any" }
        field(kind, "\(port.name) \(port.elementType.name) [\(sizes.joined(separator: ", "))]")
      }
    }
    for (key, value) in ((file as? ONNXFile)?.metadata ?? [:]).sorted(by: { $0.key < $1.key }) {
      // Whole documents are not for reading.
      field("metadata", "\(key) = \(value.count > 100 ? "(\(value.count) characters)" : value)")
    }
    do {
      try describe(ExportedModel.load(path))
    } catch let failure as Failure {
      // A network that nothing describes, or that is none for segmentation, is a network all the same.
      field("model", "cannot be run as it is: \(failure)")
    }
  }

  /// What a network's own description, or the one beside it, says.
  private func describe(_ model: TrainedModel) throws {
    let labels = model.dataset.labels
    field("model", "\(model.plans.datasetName) \(model.configuration.name) (\(model.trainerName))")
    field("folds", model.folds.joined(separator: ", "))
    field("channels", "\(model.dataset.channelCount)")
    field(labels.hasRegions ? "regions" : "classes", names(of: labels))
    field(
      "patch",
      "\(model.configuration.patchSize.map(String.init).joined(separator: "x")), spacing "
        + "\(model.configuration.spacing.map { "\($0)" }.joined(separator: " x ")) mm, mirror axes \(model.mirrorAxes)")
  }

  private func names(of labels: LabelScheme) -> String {
    labels.foreground.map { "\($0.name) = \($0.labels.map(String.init).joined(separator: "+"))" }
      .joined(separator: ", ")
  }

  private func inspectCheckpoint() throws {
    let weights: StateDictionary
    if path.hasSuffix(".safetensors") {
      weights = try StateDictionary.open(path)
    } else {
      let checkpoint = try TorchCheckpoint.open(path)
      weights = checkpoint.networkWeights
      field("holds", checkpoint.root.dictionary?.names.joined(separator: ", ") ?? "weights only")
      if let trainer = checkpoint.trainerName { field("trainer", trainer) }
      if let configuration = checkpoint.configuration { field("configuration", configuration) }
      if let fold = checkpoint.fold { field("fold", fold) }
      if checkpoint.trainerName != nil { field("mirror axes", "\(checkpoint.mirroringAxes ?? [])") }
    }
    let canonical = weights.canonical
    field("tensors", "\(weights.count) names, \(canonical.count) parameters, \(weights.storageCount) storages")
    for name in canonical.names {
      guard let tensor = canonical[name] else { continue }
      field("", "\(name) \(tensor.elementType.rawValue) \(tensor.shape)")
    }
  }

  private func inspectImage() throws {
    let header = try ImageHeader.read(path)
    field("format", header.format + (header.isCompressed ? ", compressed" : ""))
    field("voxels", "\(header.shape) (Z, Y, X), \(header.channels) channel(s), \(header.type.rawValue)")
    field("spacing", "\(header.spacing) mm (Z, Y, X)")
    field("origin", "\(header.origin) mm (x, y, z; LPS)")
    if let orientation = header.orientation { field("orientation", orientation) }
    if let rescale = header.rescale { field("rescale", "slope \(rescale.slope), intercept \(rescale.intercept)") }
  }
}
