import Basics
import Checkpoints
import NNUNet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Puts weights from ZIP archives into the folder of weights: whole or not at all.
public struct WeightInstaller: Sendable {
  public let store: WeightStore
  /// No archive of weights unpacks to more; one that does is an attack or an accident.
  var maximumSize = 100 << 30
  var maximumFiles = 100_000

  public init(store: WeightStore) { self.store = store }

  /// Unpacks an archive of one or more datasets, checks them, and moves them to where they belong. What was installed
  /// there before is replaced, model folder by model folder.
  ///
  /// - Parameters:
  ///   - archive: As TotalSegmentator publishes them, as nnU-Net exports them, or a packed folder of weights.
  ///   - expected: A dataset that must be among them.
  /// - Returns: The folders that hold the datasets now.
  ///
  /// Throws `missingInput`; `badInput` for an archive that is damaged, dangerous, or holds no usable weights;
  /// `cannotWrite`; `interrupted`. Then nothing has changed.
  @discardableResult
  public func install(archive: String, expecting expected: ModelSource? = nil) throws -> [String] {
    let zip = try ZipArchive(path: archive)
    let base = expected.map { $0.folder.hasPrefix("/") ? Path.split($0.folder).folder : store.folders.weights }
    let parent = base ?? store.folders.weights
    try Path.makeFolder(parent)
    let members = try checked(zip, archive)
    let datasets = members.map(\.dataset).uniqued
    if let expected, !datasets.contains(where: { expected.folder == $0 || expected.folder.hasSuffix("/" + $0) }) {
      throw Failure(
        .badInput, "holds \(datasets.joined(separator: ", ")), not \(expected.folder)", file: archive,
        hint: "this is the archive of other weights")
    }
    try refuseIfFull(parent, needed: members.map(\.member.size).reduce(0, +))
    let scratch = try ScratchFolder(in: parent)
    for entry in members {
      if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user", hint: "nothing was installed") }
      let path = Path.join(Path.join(scratch.path, entry.dataset), entry.file)
      try Path.makeFolder(Path.split(path).folder)
      try zip.extract(entry.member, to: path)
    }
    for dataset in datasets {
      try locating(archive) { try check(dataset, in: scratch.path) }
      let folder = Path.join(scratch.path, dataset)
      try WeightManifest(of: folder).write(in: folder)
    }
    return try datasets.map { try place($0, from: scratch.path) }
  }

  /// The files of an archive with the dataset each belongs to; what lies outside of datasets is left out.
  private func checked(
    _ zip: ZipArchive, _ archive: String
  ) throws -> [(member: ZipArchive.Member, dataset: String, file: String)] {
    let entries = zip.members.filter { !$0.isFolder }
    try zip.check(entries, maximumFiles: maximumFiles, maximumSize: maximumSize, content: "weights")
    // What is no dataset of nnU-Net is known by its folder in the catalogue.
    let others = store.catalogue.sources.map { $0.folder.split(separator: "/").map(String.init) }
      .filter { !DatasetRoots.isName($0.last ?? "") }
    let members = entries.filter { !$0.isDebris }.compactMap { member in
      place(of: member.name, others).map { (member: member, dataset: $0.dataset, file: $0.file) }
    }
    guard !members.isEmpty else {
      throw Failure(
        .badInput, "holds no weights: there is no folder DatasetNNN_name in it", file: archive,
        hint: "it must hold folders as DatasetNNN_name/<trainer>__<plans>__<configuration>/fold_0")
    }
    return members
  }

  /// Splits a name in an archive into the dataset, from wherever its folder begins, and the rest.
  private func place(of name: String, _ others: [[String]]) -> (dataset: String, file: String)? {
    let steps = name.split(separator: "/").map(String.init)
    for index in steps.indices.dropLast() {
      if DatasetRoots.isName(steps[index]) { return (steps[index], steps[(index + 1)...].joined(separator: "/")) }
      for other in others where steps.count > index + other.count && steps[index...].starts(with: other) {
        return (other.joined(separator: "/"), steps[(index + other.count)...].joined(separator: "/"))
      }
    }
    return nil
  }

  /// Throws `badInput` unless an unpacked dataset can be used.
  private func check(_ dataset: String, in scratch: String) throws {
    guard DatasetRoots.isName(Path.split(dataset).name) else { return }
    let folder = Path.join(scratch, dataset)
    let models = try Path.list(folder).filter { $0.contains("__") && Path.isFolder(Path.join(folder, $0)) }
    guard !models.isEmpty else {
      throw Failure(.badInput, "\(dataset) holds no folder <trainer>__<plans>__<configuration>")
    }
    for model in models {
      let path = Path.join(folder, model)
      for name in ["plans.json", "dataset.json"] where !Path.isFile(Path.join(path, name)) {
        throw Failure(.badInput, "\(dataset)/\(model) has no \(name)")
      }
    }
    guard let source = store.catalogue.sources.first(where: { $0.folder == dataset }) else { return }
    let inside = WeightStore(catalogue: store.catalogue, folders: TotalSegmentatorFolders(weights: scratch))
    if let problem = try inside.problems(of: source).first {
      let text = problem.replacing(scratch + "/", with: "")
      throw Failure(
        .badInput, "its weights cannot be used: \(text)", hint: "the archive may be damaged or of another release")
    }
  }

  /// Moves an unpacked dataset to where it belongs.
  private func place(_ dataset: String, from scratch: String) throws -> String {
    let source = store.catalogue.sources.first { $0.folder == dataset || $0.folder.hasSuffix("/" + dataset) }
    let destination = source.map(store.folder) ?? Path.join(store.folders.weights, dataset)
    let new = Path.join(scratch, dataset)
    try Path.makeFolder(Path.split(destination).folder)
    guard Path.exists(destination) else {
      try move(new, to: destination)
      return destination
    }
    let old = Path.join(scratch, "previous")
    try Path.makeFolder(old)
    let names = try Path.list(new).filter { !$0.hasPrefix(".") }
    var moved: [String] = []
    do {
      for name in names {
        let target = Path.join(destination, name)
        if Path.exists(target) { try move(target, to: Path.join(old, name)) }
        moved.append(name)
        try move(Path.join(new, name), to: target)
      }
    } catch {
      for name in moved {
        rename(Path.join(destination, name), Path.join(new, name))
        rename(Path.join(old, name), Path.join(destination, name))
      }
      throw error
    }
    // Of what was there before, the manifest keeps what is still there.
    var manifest = try WeightManifest.read(in: new)
    for (file, entry) in (try? WeightManifest.read(in: destination))?.files ?? [:] {
      if !names.contains(where: { file == $0 || file.hasPrefix($0 + "/") }) { manifest?.files[file] = entry }
    }
    try manifest?.write(in: destination)
    return destination
  }

  private func move(_ path: String, to target: String) throws {
    guard rename(path, target) == 0 else {
      throw Failure(.cannotWrite, "cannot be put into place: \(systemMessage())", file: target)
    }
  }

  private func refuseIfFull(_ folder: String, needed: Int) throws {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return }
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    guard needed <= free else {
      throw Failure(
        .cannotWrite, "there is not enough room: the weights take \(needed >> 20) MiB, \(free >> 20) MiB are free",
        file: folder, hint: "free some, or name another folder with --weights_dir")
    }
  }
}
