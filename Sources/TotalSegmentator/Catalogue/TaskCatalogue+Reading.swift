import Basics

extension TaskCatalogue {
  private static let keys = [
    "format", "about", "license", "releases", "datasets", "roughModels", "tasks", "unpublished", "downloads",
    "classLists", "groups", "palette",
  ]

  /// Adds what a file holds. Throws `badInput` naming file and key.
  mutating func add(_ document: LocatedJSON) throws {
    _ = try document.members(known: Self.keys)
    if let format = document["format"], format.value.int != 1 {
      throw format.wrong("this version of Microtome reads format 1")
    }
    if let node = document["license"] {
      _ = try node.members(known: ["downloads", "page", "version"])
      license = LicenseServer(
        downloads: try node.required("downloads").string(), page: try node.required("page").string(),
        version: try node.required("version").string())
    }
    try addDatasets(document)
    for (name, node) in try document["classLists"]?.members() ?? [] { classLists[name] = try node.names() }
    for (name, node) in try document["groups"]?.members() ?? [] {
      groups.removeAll { $0.name == name }
      groups.append((name, try node.names()))
    }
    for (name, node) in try document["unpublished"]?.members() ?? [] { unpublished[name] = try node.string() }
    if let node = document["palette"] { palette = try Self.colours(node) }
    for (name, node) in try document["roughModels"]?.members() ?? [] {
      roughModels[name] = try RoughModel(reading: node)
    }
    let added = try document["tasks"]?.members() ?? []
    for (name, node) in added {
      if let other = origins[name] {
        throw node.wrong("a task of this name is in \(other)", hint: "choose another name")
      }
      tasks.append(try SegmentationTask(name: name, reading: node, roughModels: roughModels))
      origins[name] = document.file
    }
    // Tasks may refer to tasks that come later in the same file.
    for (name, node) in added {
      guard let index = tasks.firstIndex(where: { $0.name == name }) else { continue }
      tasks[index].steps += try steps(of: tasks[index], reading: node)
      try checkReferences(of: tasks[index], at: node)
    }
    for (name, node) in added { try refuseCycle(through: name, at: node) }
    try addDownloads(document)
  }

  private mutating func addDatasets(_ document: LocatedJSON) throws {
    let releases = try document["releases"]?.string()
    for (id, node) in try document["datasets"]?.members() ?? [] {
      let source = try ModelSource(id: id, reading: node, releases: releases)
      guard let index = sources.firstIndex(where: { $0.id == id }) else {
        sources.append(source)
        continue
      }
      // The same weights from somewhere else is what a mirror is; other weights would change another task.
      guard sources[index].folder == source.folder else {
        throw node.wrong("this number belongs to \(sources[index].folder)", hint: "give your dataset another number")
      }
      sources[index] = source
    }
  }

  private mutating func addDownloads(_ document: LocatedJSON) throws {
    for (name, node) in try document["downloads"]?.members() ?? [] {
      let ids = try node.elements().map { element -> String in
        let id = element.value.int.map(String.init) ?? element.value.string ?? ""
        guard sources.contains(where: { $0.id == id }) else { throw element.wrong("there is no dataset \(id)") }
        return id
      }
      downloads.removeAll { $0.name == name }
      downloads.append((name, ids))
    }
  }

  private static func colours(_ node: LocatedJSON) throws -> [SIMD3<UInt8>] {
    let colours = try node.elements().map { element -> SIMD3<UInt8> in
      let parts = try element.elements().map { UInt8(try $0.integer(0...255)) }
      guard parts.count == 3 else { throw element.wrong("red, green and blue were expected") }
      return SIMD3(parts[0], parts[1], parts[2])
    }
    guard !colours.isEmpty else { throw node.wrong("at least one colour was expected") }
    return colours
  }

  private func checkReferences(of task: SegmentationTask, at node: LocatedJSON) throws {
    for (choice, variant) in task.variants {
      for part in variant.parts where !sources.contains(where: { $0.id == String(part.dataset) }) {
        throw (node[choice.rawValue] ?? node).wrong(
          "there is no dataset \(part.dataset)", hint: "name its folder under \"datasets\"")
      }
    }
    if let crop = task.crop {
      let place = node["crop"] ?? node
      try checkRegions(crop.rois, of: crop.model, at: place["rois"] ?? place)
    }
    if let model = task.subsetCrop { try checkRegions([], of: model, at: node["subsetModel"] ?? node) }
    if let list = task.legacyOrder, classLists[list] == nil {
      throw (node["legacyOrder"] ?? node).wrong("there is no list of classes called \(list)")
    }
  }

  /// Throws when a task could not be run without running itself first.
  private func refuseCycle(through name: String, at node: LocatedJSON) throws {
    var reached = Set<String>()
    var next = [name]
    while let current = next.popLast() {
      let helping = tasks.first { $0.name == current }?.helpingTasks ?? []
      guard !helping.contains(name) else {
        throw node.wrong("the task needs itself: its region or its steps come from \(current)")
      }
      next += helping.filter { reached.insert($0).inserted }
    }
  }

  /// Throws unless a rough model's task exists and has all of these classes.
  func checkRegions(_ rois: [String], of model: RoughModel, at node: LocatedJSON) throws {
    guard let rough = tasks.first(where: { $0.name == model.task }) else {
      throw node.wrong("the rough model's task \(model.task) does not exist")
    }
    for roi in rois where rough.label(of: roi) == nil {
      throw node.wrong(
        "the task \(rough.name), which the region is found with, has no class \(roi)",
        hint: Spelling.suggestion(for: roi, in: rough.classes.map(\.name)))
    }
  }
}
