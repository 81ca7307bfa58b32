import Basics
import Checkpoints

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Unpacks archives of trained models into nnU-Net's results folder.
public struct ModelInstallation: Sendable {
  /// `nnUNet_results`
  public let results: String
  /// No archive of models unpacks to more; one that does is an attack or an accident.
  var maximumSize = 100 << 30
  var maximumFiles = 1_000_000

  public init(results: String) { self.results = results }

  /// Unpacks an archive; files of the same name are replaced.
  ///
  /// Besides what nnU-Net v2 exports, archives are understood that begin some folders deeper, that hold a model's folder
  /// only, or only what is in it, and those of nnU-Net v1, which go to the folder `nnUNet`.
  ///
  /// - Returns: the model folders, as paths.
  /// - Throws: `missingInput`; `badInput` for an archive that is damaged, dangerous, or holds no models; `cannotWrite`;
  ///   `interrupted`. Nothing has changed then, unless moving the unpacked files itself fails.
  public func install(archive path: String) throws -> [String] {
    let zip = try ZipArchive(path: path)
    let members = zip.members.filter { !$0.isFolder && !$0.isDebris }
    try zip.check(members, maximumFiles: maximumFiles, maximumSize: maximumSize, content: "models")
    try Path.makeFolder(results)
    let scratch = try ScratchFolder(in: results)
    for member in members {
      if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user", hint: "nothing was installed") }
      let target = Path.join(scratch.path, member.name)
      try Path.makeFolder(Path.split(target).folder)
      try zip.extract(member, to: target)
    }
    let places = try locating(path) { try self.places(of: members.map(\.name), in: scratch.path) }
    var folders: [String] = []
    for (name, place) in places {
      let target = Path.join(results, place)
      try Path.makeFolder(Path.split(target).folder)
      guard rename(Path.join(scratch.path, name), target) == 0 else {
        throw Failure(.cannotWrite, "cannot be put into place: \(systemMessage())", file: target)
      }
      if ["plans.json", "plans.pkl"].contains(Path.split(place).name), !place.contains("/ensembles/"),
        !place.contains("/crossval_results")
      {
        folders.append(Path.split(target).folder)
      }
    }
    return folders
  }

  // MARK: Where files belong

  /// For every file its place in the results folder.
  private func places(of names: [String], in scratch: String) throws -> [(name: String, place: String)] {
    let steps = names.map { $0.split(separator: "/").map(String.init) }
    // From the first folder on that is a dataset's, or a configuration of v1.
    for isBeginning in [{ DatasetRoots.isName($0[$1]) }, Self.isLegacyConfiguration] {
      let found = zip(names, steps).compactMap { name, steps in
        steps.indices.dropLast().first { isBeginning(steps, $0) }.map { (name: name, steps: steps[$0...]) }
      }
      guard !found.isEmpty else { continue }
      let isLegacy = Self.isLegacyConfiguration(Array(found[0].steps), 0)
      return found.map { ($0.name, ((isLegacy ? ["nnUNet"] : []) + $0.steps).joined(separator: "/")) }
    }
    // A model's folder, or what is in one; the plans say which dataset it belongs to.
    guard let plans = names.filter({ Path.split($0).name == "plans.json" }).min(by: { $0.utf8.count < $1.utf8.count })
    else {
      throw Failure(
        .badInput, "holds no models: there is no folder DatasetNNN_name and no plans.json in it",
        hint: "expected an archive of nnUNetv2_export_model_to_zip")
    }
    let root = plans.dropLast("plans.json".count)
    let dataset = try Plans.read(Path.join(scratch, plans)).datasetName
    guard DatasetRoots.isName(dataset) else {
      throw Failure(.badInput, "holds plans for \"\(dataset)\", which is no name of a dataset")
    }
    let folder = Path.split(String(root)).name
    let model = try ModelIdentifier(folder) ?? identifier(names.filter { $0.hasPrefix(root) }, in: scratch)
    return names.filter { $0.hasPrefix(root) }
      .map { ($0, "\(dataset)/\(model)/\($0.dropFirst(root.count))") }
  }

  /// What the first checkpoint says about itself.
  private func identifier(_ names: [String], in scratch: String) throws -> ModelIdentifier {
    guard let path = names.filter({ $0.hasSuffix(".pth") }).min() else {
      throw Failure(.badInput, "holds no checkpoint")
    }
    let checkpoint = try TorchCheckpoint.open(Path.join(scratch, path))
    guard let trainer = checkpoint.trainerName, let configuration = checkpoint.configuration,
      let plans = checkpoint.plans?["plans_name"]?.string,
      [trainer, configuration, plans].allSatisfy({ !$0.contains("/") && !$0.contains("__") })
    else { throw Failure(.badInput, "its checkpoint \(path) does not say which model it belongs to") }
    return ModelIdentifier(trainer: trainer, plans: plans, configuration: configuration)
  }

  /// `CONFIGURATION/TaskNNN_name/...` of nnU-Net v1.
  private static func isLegacyConfiguration(_ steps: [String], _ index: Int) -> Bool {
    ["2d", "3d_lowres", "3d_fullres", "3d_cascade_fullres", "ensembles"].contains(steps[index])
      && steps.indices.contains(index + 2) && steps[index + 1].hasPrefix("Task")
  }
}
