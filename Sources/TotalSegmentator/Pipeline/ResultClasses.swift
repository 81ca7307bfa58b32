import Imaging

/// The classes of a task's result, with the numbers that they have in files.
struct ResultClasses {
  /// Those asked for, present in the image or not.
  let classes: [TaskClass]
  /// What becomes of each of the task's own ids; nil when they stay.
  private let numbers: [UInt8]?

  /// With an earlier release's order, classes which that release did not have are dropped.
  ///
  /// - Throws: what reading the catalogue's class lists throws.
  init(of task: SegmentationTask, _ options: TaskOptions, _ catalogue: TaskCatalogue) throws {
    let subset = Set(options.subset)
    guard options.usesLegacyOrder, let order = task.legacyOrder else {
      classes = subset.isEmpty ? task.classes : task.classes.filter { subset.contains($0.name) }
      numbers = nil
      return
    }
    let names = try catalogue.classList(order)
    var numbers = [UInt8](repeating: 0, count: 256)
    for (index, name) in names.enumerated() {
      if let id = task.label(of: name) { numbers[id] = UInt8(clamping: index + 1) }
    }
    self.numbers = numbers
    classes = names.enumerated().filter { subset.isEmpty || subset.contains($0.element) }
      .map { TaskClass(id: $0.offset + 1, name: $0.element) }
  }

  /// Numbers labels that have the task's own ids, on any grid.
  func apply(to labels: inout Volume<UInt8>) {
    guard let numbers else { return }
    labels.renumber { numbers[Int($0)] }
  }
}
