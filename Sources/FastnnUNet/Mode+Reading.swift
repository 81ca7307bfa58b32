import Basics
import Imaging
import NNUNet

extension Mode {
  /// Reads a mode from its file, whose name without the ending is the mode's.
  ///
  /// Throws `missingInput`, and `badInput` naming the key that is wrong.
  public static func read(_ path: String) throws -> Mode {
    let json = try locating(path) { try JSON.read(path) }
    let (folder, name) = Path.split(path)
    return try Mode(
      name: String(name.dropLast(".json".count)), reading: LocatedJSON(file: path, document: json), folder: folder)
  }

  /// - Parameter folder: what paths of models are relative to.
  init(name: String, reading node: LocatedJSON, folder: String) throws {
    _ = try node.members(known: [
      "description", "orientation", "models", "labels", "postprocessing", "subsegmentation",
    ])
    let models = try node.required("models")
    self.init(name: name, parts: try models.elements().map { try ModePart($0, folder: folder, place: .everywhere) })
    guard !parts.isEmpty else { throw models.wrong("a mode needs at least one model") }
    summary = try node["description"]?.string()
    if let key = node["orientation"] { orientation = key.value.isNull ? nil : try Self.orientation(key) }
    labels = try node["labels"]?.members().map { LabelName(name: $0.name, label: try $0.node.integer(1...65535)) } ?? []
    postprocessing = try node["postprocessing"].map(LabelOperation.list) ?? []
    if let sub = node["subsegmentation"] {
      let part = try ModePart(sub, folder: folder, place: .foreground, more: ["postprocessing"])
      subsegmentation = Subsegmentation(
        part: part, postprocessing: try sub["postprocessing"].map(LabelOperation.list) ?? [])
    }
  }

  private static func orientation(_ node: LocatedJSON) throws -> String {
    let code = try node.string()
    guard isOrientation(code) else {
      throw node.wrong("\"\(code)\" is no orientation", hint: "three letters such as LPS or RAS, or null for none")
    }
    return code
  }

  /// As it is read; paths as they are here.
  public var json: JSON {
    var object: JSONObject = [:]
    if let summary { object["description"] = .string(summary) }
    object["orientation"] = orientation.map(JSON.string) ?? .null
    object["models"] = .array(parts.map { .object($0.json(usualPlace: .everywhere)) })
    if !labels.isEmpty { object["labels"] = .object(JSONObject(labels.map { ($0.name, .int($0.label)) })) }
    if !postprocessing.isEmpty { object["postprocessing"] = .array(postprocessing.map(\.json)) }
    if let subsegmentation {
      var part = subsegmentation.part.json(usualPlace: .foreground)
      if !subsegmentation.postprocessing.isEmpty {
        part["postprocessing"] = .array(subsegmentation.postprocessing.map(\.json))
      }
      object["subsegmentation"] = .object(part)
    }
    return .object(object)
  }
}

extension ModePart {
  private static let keys = [
    "model", "model_config", "folds", "checkpoint", "label_map", "within", "patch_size", "target_spacing",
    "intensity_properties", "normalization_schemes", "step_size", "use_gaussian", "use_mirroring",
  ]

  init(_ node: LocatedJSON, folder: String, place: Place, more: [String] = []) throws {
    _ = try node.members(known: Self.keys + more)
    func path(_ node: LocatedJSON) throws -> String {
      let path = try node.string()
      return path.hasPrefix("/") ? path : Path.join(folder, path)
    }
    self.init(model: try path(node.required("model")), place: place)
    if ExportedModel.isModelFile(model), let choice = node["folds"] ?? node["checkpoint"] {
      throw choice.wrong(
        "chooses among the networks of a model folder; the file \(model) holds one network", hint: "leave it out")
    }
    description = try node["model_config"].map(path)
    folds = try node["folds"]?.elements().map { try $0.value.int.map(String.init) ?? $0.name() }
    checkpoint = try node["checkpoint"]?.name() ?? Self.standardCheckpoint
    labelMap = try node["label_map"]?.members().map { name, value in
      (Int(name).map(LabelReference.number) ?? .name(name), try value.integer(0...65535))
    }
    if let within = node["within"] {
      self.place =
        switch within.value.string {
        case "everywhere": .everywhere
        case "foreground": .foreground
        default: .labels(try LabelReference.list(within))
        }
    }
    adjustments.patchSize = try node["patch_size"]?.elements().map { try $0.integer(1...4096) }
    adjustments.spacing = try node["target_spacing"]?.elements().map { try $0.length() }
    adjustments.normalizations = try node["normalization_schemes"]?.elements().map { try $0.string() }
    adjustments.intensities = try node["intensity_properties"].map(Self.intensities)
    adjustments.usesGaussian = try node["use_gaussian"]?.bool()
    mirrors = try node["use_mirroring"]?.bool()
    step = try node["step_size"].map { node in
      let step = try node.length()
      guard step >= 0.001, step <= 1 else { throw node.wrong("a step is at least 0.001 and at most 1") }
      return step
    }
  }

  private static func intensities(_ node: LocatedJSON) throws -> IntensityProperties {
    func number(_ key: String) throws -> Float {
      let value = try node.required(key)
      guard let number = value.value.double, number.isFinite else { throw value.wrong("a number was expected") }
      return Float(number)
    }
    let properties = IntensityProperties(
      mean: try number("mean"), standardDeviation: try number("std"), lowPercentile: try number("percentile_00_5"),
      highPercentile: try number("percentile_99_5"))
    if let flaw = properties.flaw { throw node.wrong(flaw) }
    return properties
  }

  fileprivate func json(usualPlace: Place) -> JSONObject {
    var object: JSONObject = ["model": .string(model)]
    object["model_config"] = description.map(JSON.string)
    object["folds"] = folds.map { .array($0.map(JSON.string)) }
    if checkpoint != Self.standardCheckpoint { object["checkpoint"] = .string(checkpoint) }
    object["label_map"] = labelMap.map { map in
      .object(
        JSONObject(
          map.map { entry in
            switch entry.label {
            case .name(let name): (name, .int(entry.written))
            case .number(let number): ("\(number)", .int(entry.written))
            }
          }))
    }
    if place != usualPlace {
      switch place {
      case .everywhere: object["within"] = .string("everywhere")
      case .foreground: object["within"] = .string("foreground")
      case .labels(let labels): object["within"] = .array(labels.map(\.json))
      }
    }
    object["patch_size"] = adjustments.patchSize.map { .array($0.map(JSON.int)) }
    object["target_spacing"] = adjustments.spacing.map { .array($0.map(JSON.double)) }
    object["intensity_properties"] = adjustments.intensities.map { known in
      .object([
        "mean": .double(Double(known.mean)), "std": .double(Double(known.standardDeviation)),
        "percentile_00_5": .double(Double(known.lowPercentile)),
        "percentile_99_5": .double(Double(known.highPercentile)),
      ])
    }
    object["normalization_schemes"] = adjustments.normalizations.map { .array($0.map(JSON.string)) }
    object["step_size"] = step.map(JSON.double)
    object["use_gaussian"] = adjustments.usesGaussian.map(JSON.bool)
    object["use_mirroring"] = mirrors.map(JSON.bool)
    return object
  }
}
