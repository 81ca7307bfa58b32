import Basics
import Imaging

extension LabelOperation {
  /// The steps of a JSON list, or of a document that holds one under "postprocessing".
  ///
  /// Throws `missingInput`, and `badInput` naming the key that is wrong.
  public static func read(_ path: String) throws -> [LabelOperation] {
    let document = LocatedJSON(file: path, document: try locating(path) { try JSON.read(path) })
    return try list(document.value.array == nil ? document.required("postprocessing") : document)
  }

  static func list(_ node: LocatedJSON) throws -> [LabelOperation] { try node.elements().map(LabelOperation.init) }

  private init(_ node: LocatedJSON) throws {
    let name = try node.required("operation")
    func only(_ keys: String...) throws { _ = try node.members(known: ["operation", "labels"] + keys) }
    let labels = try node["labels"].map { Labels.some(try LabelReference.list($0)) } ?? .all
    switch try name.string() {
    case "keep_largest":
      try only("connectivity", "together", "to")
      self = .keepLargest(labels, try Components(node))
    case "remove_small":
      try only("connectivity", "together", "to", "min_voxels", "min_mm3")
      let size: Size? =
        try node["min_voxels"].map { .voxels(try $0.integer(1...Int.max)) }
        ?? node["min_mm3"].map { .cubicMillimetres(try $0.length()) }
      guard let size, node["min_voxels"] == nil || node["min_mm3"] == nil else {
        throw node.wrong("either \"min_voxels\" or \"min_mm3\" is needed")
      }
      self = .removeSmall(labels, size, try Components(node))
    case "opening":
      try only("radius", "radius_mm")
      self = .opening(labels, try Self.radius(node))
    case "closing":
      try only("radius", "radius_mm")
      self = .closing(labels, try Self.radius(node))
    case "fill_holes":
      try only("per_slice")
      self = .fillHoles(labels, perSlice: try node["per_slice"]?.bool() ?? false)
    case "reassign":
      try only("to")
      self = .reassign(labels, to: try LabelReference(node.required("to")))
    case let other:
      throw name.wrong(
        "there is no operation \"\(other)\"",
        hint: Spelling.suggestion(for: other, in: Self.names) ?? "there are \(Self.names.joined(separator: ", "))")
    }
  }

  private static func radius(_ node: LocatedJSON) throws -> Radius {
    let radius: Radius? =
      try node["radius"].map { .voxels(try $0.length()) } ?? node["radius_mm"].map { .millimetres(try $0.length()) }
    guard let radius, node["radius"] == nil || node["radius_mm"] == nil else {
      throw node.wrong("either \"radius\" (voxels) or \"radius_mm\" is needed")
    }
    if case .voxels(let voxels) = radius, voxels > Double(Ball.largestReach) {
      throw node.wrong("a radius is at most \(Ball.largestReach) voxels")
    }
    return radius
  }

  /// As it is read.
  var json: JSON {
    var object: JSONObject = [:]
    func begin(_ name: String, _ labels: Labels) {
      object["operation"] = .string(name)
      if case .some(let list) = labels { object["labels"] = .array(list.map(\.json)) }
    }
    func add(_ radius: Radius) {
      switch radius {
      case .voxels(let value): object["radius"] = .double(value)
      case .millimetres(let value): object["radius_mm"] = .double(value)
      }
    }
    switch self {
    case .keepLargest(let labels, let components):
      begin("keep_largest", labels)
      components.write(to: &object)
    case .removeSmall(let labels, let size, let components):
      begin("remove_small", labels)
      switch size {
      case .voxels(let value): object["min_voxels"] = .int(value)
      case .cubicMillimetres(let value): object["min_mm3"] = .double(value)
      }
      components.write(to: &object)
    case .opening(let labels, let radius):
      begin("opening", labels)
      add(radius)
    case .closing(let labels, let radius):
      begin("closing", labels)
      add(radius)
    case .fillHoles(let labels, let perSlice):
      begin("fill_holes", labels)
      if perSlice { object["per_slice"] = .bool(true) }
    case .reassign(let labels, let label):
      begin("reassign", labels)
      object["to"] = label.json
    }
    return .object(object)
  }
}

extension LabelOperation.Components {
  fileprivate init(_ node: LocatedJSON) throws {
    if let key = node["connectivity"] {
      let choices: [Int: Connectivity] = [6: .faces, 18: .edges, 26: .corners]
      guard let choice = key.value.int.flatMap({ choices[$0] }) else { throw key.wrong("6, 18 or 26 was expected") }
      connectivity = choice
    }
    together = try node["together"]?.bool() ?? false
    if let to = node["to"] { replacement = try LabelReference(to) }
  }

  fileprivate func write(to object: inout JSONObject) {
    if connectivity != .corners { object["connectivity"] = .int(connectivity == .faces ? 6 : 18) }
    if together { object["together"] = .bool(true) }
    if replacement != .number(0) { object["to"] = replacement.json }
  }
}

extension LabelReference {
  init(_ node: LocatedJSON) throws {
    if let number = node.value.int, (0...65535).contains(number) {
      self = .number(number)
    } else if let name = node.value.string, !name.isEmpty {
      self = .name(name)
    } else {
      throw node.wrong("a label was expected: a name or a number")
    }
  }

  static func list(_ node: LocatedJSON) throws -> [LabelReference] {
    let list = try node.elements().map(LabelReference.init)
    guard !list.isEmpty else { throw node.wrong("no label is named; leave the key out for all of them") }
    return list
  }

  var json: JSON {
    switch self {
    case .name(let name): .string(name)
    case .number(let number): .int(number)
    }
  }
}
