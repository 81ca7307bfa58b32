import Basics

/// Tasks and classes as TotalSegmentator lists them.
extension TaskCatalogue {
  /// One line a task: name, modality, whether a licence is needed, number of classes.
  public var tasksTable: String {
    let width = max(4, tasks.map { $0.name.count }.max() ?? 0)
    let header = "\(Self.pad("TASK", width))  MODALITY  LICENSE  CLASSES"
    var lines = [header, String(repeating: "-", count: header.count)]
    for task in tasks {
      let licence = task.needsLicense ? "yes" : "no"
      let columns = [
        Self.pad(task.name, width), Self.pad(task.modality.rawValue, 8), Self.pad(licence, 7), "\(task.classes.count)",
      ]
      lines.append(columns.joined(separator: "  "))
    }
    lines.append("")
    var footer = "\(tasks.count) tasks."
    if let page = license?.page {
      footer += " Licensed tasks need a (free for non-commercial) license: \(page)"
    }
    return (lines + [footer]).joined(separator: "\n")
  }

  /// The list behind `tasksTable`.
  public var tasksJSON: JSON {
    .array(
      tasks.map { task in
        .object([
          "name": .string(task.name), "modality": .string(task.modality.rawValue),
          "license_required": .bool(task.needsLicense), "num_classes": .int(task.classes.count),
        ])
      })
  }

  /// One line a class of a task: its label and its name. Throws `usage` for an unknown task.
  public func classesTable(of name: String) throws -> String {
    let task = try task(named: name)
    let licence = task.needsLicense ? "license required" : "open license"
    let title = "Task '\(name)'  [\(task.modality.rawValue), \(licence), \(task.classes.count) classes]"
    let lines = task.classes.map { entry in
      let number = String(entry.id)
      return String(repeating: " ", count: max(0, 4 - number.count)) + number + "  " + entry.name
    }
    return ([title, ""] + lines).joined(separator: "\n")
  }

  /// The classes of a task as `{"1": "spleen", ...}`. Throws `usage` for an unknown task.
  public func classesJSON(of name: String) throws -> JSON { Self.classes(of: try task(named: name)) }

  /// Everything in one document.
  public var registryJSON: JSON {
    var entries = JSONObject()
    for task in tasks {
      entries[task.name] = .object([
        "modality": .string(task.modality.rawValue), "license_required": .bool(task.needsLicense),
        "classes": Self.classes(of: task),
      ])
    }
    return .object(["totalsegmentator_version": .string(license?.version ?? ""), "tasks": .object(entries)])
  }

  private static func classes(of task: SegmentationTask) -> JSON {
    var classes = JSONObject()
    for entry in task.classes { classes[String(entry.id)] = .string(entry.name) }
    return .object(classes)
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
