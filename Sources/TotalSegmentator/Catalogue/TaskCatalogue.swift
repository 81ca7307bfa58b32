import Basics

/// All tasks there are, and where the weights of their networks come from: TotalSegmentator's own and the user's.
public struct TaskCatalogue: Sendable {
  /// Built-in tasks first, each file's in the order of the file.
  public internal(set) var tasks: [SegmentationTask] = []
  /// In the order of the files.
  public internal(set) var sources: [ModelSource] = []
  /// The names under which weights can be asked for, with the ids of their sources.
  public internal(set) var downloads: [(name: String, sources: [String])] = []
  /// Classes that are joined under one name: "lung", "ribs", ...
  public internal(set) var groups: [(name: String, classes: [String])] = []
  /// The colours (red, green, blue) of a label table; label n has the colour n modulo their number.
  public internal(set) var palette: [SIMD3<UInt8>] = []
  /// Where licensed weights lie.
  public internal(set) var license: LicenseServer?

  var roughModels: [String: RoughModel] = [:]
  var classLists: [String: [String]] = [:]
  /// Tasks that TotalSegmentator names but never gave out, with the reason.
  var unpublished: [String: String] = [:]
  /// The file that each task is from, for messages.
  var origins: [String: String] = [:]

  /// The task called `name`. Throws `usage` for an unknown one, with names that resemble it.
  public func task(named name: String) throws -> SegmentationTask {
    if let task = tasks.first(where: { $0.name == name }) { return task }
    if let reason = unpublished[name] {
      throw Failure(.usage, "the task \(name) cannot be run: \(reason)", hint: Self.listHint)
    }
    throw Failure(
      .usage, "there is no task called \(name)",
      hint: Spelling.suggestion(for: name, in: tasks.map(\.name)) ?? Self.listHint)
  }

  /// A rough model by its name in the catalogue. Throws `usage` for an unknown one.
  public func roughModel(_ name: String) throws -> RoughModel {
    guard let model = roughModels[name] else { throw Failure(.usage, "there is no rough model called \(name)") }
    return model
  }

  /// Where the weights of a dataset come from. Throws `usage` for a number that the catalogue does not know.
  public func dataset(_ id: Int) throws -> ModelSource { try source(String(id)) }

  /// The source with this id. Throws `usage` when there is none.
  public func source(_ id: String) throws -> ModelSource {
    guard let source = sources.first(where: { $0.id == id }) else {
      throw Failure(.usage, "the catalogue has no dataset \(id)")
    }
    return source
  }

  /// The names of a list of classes ("total_v1"): the first one has the label 1. Throws `usage` for an unknown list.
  public func classList(_ name: String) throws -> [String] {
    guard let list = classLists[name] else {
      throw Failure(.usage, "there is no list of classes called \(name)")
    }
    return list
  }

  /// The classes that are joined as `name`. Throws `usage` for an unknown group.
  public func group(_ name: String) throws -> [String] {
    guard let group = groups.first(where: { $0.name == name }) else {
      throw Failure(
        .usage, "there is no group of classes called \(name)",
        hint: "groups are \(groups.map(\.name).joined(separator: ", "))")
    }
    return group.classes
  }

  /// What is fetched for a name of `totalseg_download_weights`, a task's name, a dataset's number or folder, or "all".
  ///
  /// Throws `usage` for an unknown name, with names that resemble it.
  public func sources(forDownload name: String) throws -> [ModelSource] {
    if name == "all" { return sources }
    if let download = downloads.first(where: { $0.name == name }) { return try download.sources.map(source) }
    if let task = tasks.first(where: { $0.name == name }) { return try datasets(of: task).map(dataset) }
    if let source = sources.first(where: { $0.id == name || $0.folder == name }) { return [source] }
    if let reason = unpublished[name] { throw Failure(.usage, "\(name) cannot be fetched: \(reason)") }
    let names = downloads.map(\.name) + tasks.map(\.name)
    throw Failure(
      .usage, "there are no weights called \(name)",
      hint: Spelling.suggestion(for: name, in: names) ?? "names are those of tasks, or \"all\"; " + Self.listHint)
  }

  /// The numbers of all datasets that a task may need: its own in every variant, and those of `companions`.
  public func datasets(of task: SegmentationTask) -> [Int] {
    let own = task.variants.flatMap { $0.variant.parts.map(\.dataset) }
    let subset = task.subsetCrop.map { datasets(of: $0, choices: [$0.variant, $0.robust]) } ?? []
    return (own + companions(of: task) + subset).uniqued
  }

  /// The numbers of the datasets of other tasks that every run of a task needs: those of its rough model, as well when
  /// a robust crop is asked for, and of the tasks in its steps; and what these tasks need in turn.
  public func companions(of task: SegmentationTask) -> [Int] {
    var found: [Int] = []
    if let crop = task.crop {
      let model = crop.model
      found += datasets(of: model, choices: crop.isRobust ? [model.robust] : [model.variant, model.robust])
    }
    for name in task.helpingTasks where name != task.crop?.model.task {
      guard let other = tasks.first(where: { $0.name == name }) else { continue }
      found += other.standard.parts.map(\.dataset) + companions(of: other)
    }
    return found.uniqued
  }

  private func datasets(of model: RoughModel, choices: [RoughModel.Choice]) -> [Int] {
    guard let rough = tasks.first(where: { $0.name == model.task }) else { return [] }
    return choices.flatMap { rough.variant($0).parts.map(\.dataset) } + companions(of: rough)
  }

  private static let listHint = "microtome info tasks lists them"
}

extension SegmentationTask {
  /// The tasks that are run before or after this one, as part of it.
  var helpingTasks: [String] {
    var names = crop.map { [$0.model.task] } ?? []
    for case .confineVertebrae(let name, _, _) in steps { names.append(name) }
    return names
  }
}
