import Basics

extension TaskCatalogue {
  /// The steps that a task lists. Throws `badInput` naming file and key.
  func steps(of task: SegmentationTask, reading node: LocatedJSON) throws -> [TaskStep] {
    try node["steps"]?.elements().map { try step($0, of: task) } ?? []
  }

  private func step(_ node: LocatedJSON, of task: SegmentationTask) throws -> TaskStep {
    func only(_ keys: String...) throws { _ = try node.members(known: ["step"] + keys) }
    let kind = try node.required("step")
    switch kind.value.string {
    case "keepLargestComponent":
      try only("class")
      return .keepLargestComponent(label: try Self.label(node.required("class"), of: task))
    case "removeSmallComponents":
      try only("class", "volume")
      return .removeSmallComponents(
        label: try Self.label(node.required("class"), of: task), volume: try node.required("volume").length())
    case "separateVertebrae":
      try only("minimumVolume", "dilation")
      return .separateVertebrae(
        minimumVolume: try node.required("minimumVolume").length(orZero: true),
        dilation: try node.required("dilation").length(orZero: true))
    case "confineVertebrae":
      try only("task", "class", "dilation")
      let place = try node.required("task")
      let name = try place.string()
      guard let other = tasks.first(where: { $0.name == name }) else {
        throw place.wrong("there is no task called \(name)")
      }
      return .confineVertebrae(
        task: name, label: try Self.label(node.required("class"), of: other),
        dilation: try node.required("dilation").length(orZero: true))
    case "removeOutside":
      try only("rois", "dilation")
      guard let crop = task.crop else { throw node.wrong("needs a \"crop\", whose rough model finds its region") }
      let rois = try node.required("rois").names()
      try checkRegions(rois, of: crop.model, at: node.required("rois"))
      return .removeOutside(rois: rois, dilation: try node.required("dilation").length(orZero: true))
    case "deriveBodyAndSkin":
      try only()
      for name in ["body_trunc", "body_extremities"] where task.label(of: name) == nil {
        throw node.wrong("needs a task with the classes body_trunc and body_extremities")
      }
      return .deriveBodyAndSkin
    default:
      throw kind.wrong(
        "is no step",
        hint: "steps are keepLargestComponent, removeSmallComponents, separateVertebrae, confineVertebrae, "
          + "removeOutside, deriveBodyAndSkin")
    }
  }

  private static func label(_ node: LocatedJSON, of task: SegmentationTask) throws -> Int {
    let name = try node.string()
    guard let label = task.label(of: name) else {
      throw node.wrong(
        "the task \(task.name) has no class \(name)",
        hint: Spelling.suggestion(for: name, in: task.classes.map(\.name)))
    }
    return label
  }
}
