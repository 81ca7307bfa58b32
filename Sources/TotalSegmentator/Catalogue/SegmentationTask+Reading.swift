import Basics
import Imaging

extension SegmentationTask {
  private static let keys = [
    "modality", "needsLicense", "classes", "helpers", "fastFlag", "default", "fast", "fastest", "crop", "subsetModel",
    "steps", "legacyOrder", "notice",
  ]

  /// Reads all of a task but those steps that other tasks are needed for. Throws `badInput` naming file and key.
  init(name: String, reading node: LocatedJSON, roughModels: [String: RoughModel]) throws {
    _ = try node.members(known: Self.keys)
    guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "/") }), !name.isEmpty else {
      throw node.wrong("this is no name for a task: spaces and slashes cannot be part of it")
    }
    self.name = name
    modality = try node.required("modality").choice(Modality.self)
    needsLicense = try node["needsLicense"]?.bool() ?? false
    let names = try node.required("classes").names()
    let helpers = try node["helpers"]?.names() ?? []
    let labels = names.count + helpers.count
    guard (1...255).contains(labels), !names.isEmpty else {
      throw node.wrong("a task has 1 to 255 classes, not \(labels)")
    }
    classes = names.enumerated().map { TaskClass(id: $0 + 1, name: $1) }
    standard = try TaskVariant(reading: node.required("default"), labels: labels)
    fast = try node["fast"].map { try TaskVariant(reading: $0, labels: labels) }
    fastest = try node["fastest"].map { try TaskVariant(reading: $0, labels: labels) }
    fastFlag = try node["fastFlag"]?.choice(FastFlag.self) ?? (fast == nil && fastest == nil ? .refused : .selects)
    crop = try node["crop"].map { try TaskCrop(reading: $0, roughModels: roughModels) }
    subsetCrop = try node["subsetModel"].map { try RoughModel.named($0, in: roughModels) }
    steps = helpers.isEmpty ? [] : [.removeLabels(Array(names.count + 1...labels))]
    legacyOrder = try node["legacyOrder"]?.string()
    notice = try node["notice"]?.string()
  }
}

extension TaskVariant {
  private static let networkKeys = ["trainer", "plans", "smallPlans", "configuration", "folds"]

  /// - Parameter labels: How many labels the networks find together.
  init(reading node: LocatedJSON, labels: Int) throws {
    _ = try node.members(known: ["spacing", "patchStep", "dataset", "parts"] + Self.networkKeys)
    spacing = try node["spacing"].map(Self.spacing)
    step = try node["patchStep"]?.length() ?? 0.5
    if let place = node["patchStep"], step > 1 { throw place.wrong("a fraction of the patch, at most 1, was expected") }
    guard let list = node["parts"] else {
      parts = [try Self.part(node, around: node, classes: labels, offset: 0)]
      return
    }
    guard node["dataset"] == nil else { throw node.wrong("has \"dataset\" and \"parts\"; one of them was expected") }
    parts = []
    var offset = 0
    for element in try list.elements() {
      _ = try element.members(known: ["dataset", "classes"] + Self.networkKeys)
      let count = try element.required("classes").integer(1...255)
      parts.append(try Self.part(element, around: node, classes: count, offset: offset))
      offset += count
    }
    guard offset == labels else { throw list.wrong("the parts find \(offset) classes, the task has \(labels)") }
  }

  /// A part; what it does not say itself stands in `outer`.
  private static func part(
    _ node: LocatedJSON, around outer: LocatedJSON, classes: Int, offset: Int
  ) throws -> TaskPart {
    func setting(_ key: String) -> LocatedJSON? { node[key] ?? outer[key] }
    return TaskPart(
      dataset: try node.required("dataset").integer(0...99999),
      trainer: try setting("trainer")?.name() ?? "nnUNetTrainer",
      plans: try setting("plans")?.name() ?? "nnUNetPlans", smallPlans: try setting("smallPlans")?.name(),
      configuration: try setting("configuration")?.name() ?? "3d_fullres",
      folds: try setting("folds").map(folds) ?? [0], classCount: classes, labelOffset: offset)
  }

  /// `"all"` is nil: every fold there is.
  private static func folds(_ node: LocatedJSON) throws -> [Int]? {
    if node.value.string == "all" { return nil }
    guard let folds = node.value.ints, !folds.isEmpty, folds.allSatisfy({ $0 >= 0 }), Set(folds).count == folds.count
    else { throw node.wrong("a list of fold numbers or \"all\" was expected") }
    return folds
  }

  private static func spacing(_ node: LocatedJSON) throws -> Vector3D {
    guard node.value.array != nil else {
      let length = try node.length()
      return Vector3D(length, length, length)
    }
    let lengths = try node.elements().map { try $0.length() }
    guard lengths.count == 3 else { throw node.wrong("one spacing or three (z, y, x) in mm were expected") }
    return Vector3D(lengths[0], lengths[1], lengths[2])
  }
}

extension RoughModel {
  init(reading node: LocatedJSON) throws {
    _ = try node.members(known: ["task", "variant", "robust"])
    task = try node.required("task").string()
    variant = try node.required("variant").choice(Choice.self)
    robust = try node["robust"]?.choice(Choice.self) ?? variant
  }

  static func named(_ node: LocatedJSON, in models: [String: RoughModel]) throws -> RoughModel {
    let name = try node.string()
    guard let model = models[name] else {
      throw node.wrong(
        "there is no rough model called \(name)", hint: "models are \(models.keys.sorted().joined(separator: ", "))")
    }
    return model
  }
}

extension TaskCrop {
  init(reading node: LocatedJSON, roughModels: [String: RoughModel]) throws {
    _ = try node.members(known: ["rois", "model", "robust", "margin"])
    rois = try node.required("rois").names()
    guard !rois.isEmpty else { throw node.wrong("at least one class was expected in \"rois\"") }
    model = try RoughModel.named(node.required("model"), in: roughModels)
    isRobust = try node["robust"]?.bool() ?? false
    margin = try node["margin"]?.length(orZero: true) ?? 20
  }
}
