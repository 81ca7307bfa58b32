import Basics
import Checkpoints

/// Packs trained models into one ZIP archive, as `nnUNetv2_export_model_to_zip` does.
public struct ModelExport: Sendable {
  public let folders: DatasetFolders
  public var models: [ModelIdentifier]
  public var folds: [String]
  public var checkpoints: [String]
  /// Whether the segmentations of the validation cases are included, of single folds and of all of them together.
  public var includesPredictions = false
  /// Whether models, folds and checkpoints that are missing are left out; otherwise they are failures.
  public var toleratesMissing = false

  public init(folders: DatasetFolders, models: [ModelIdentifier], folds: [String], checkpoints: [String]) {
    (self.folders, self.models, self.folds, self.checkpoints) = (folders, models, folds, checkpoints)
  }

  /// Writes the archive, which appears when it is complete.
  ///
  /// Names in it are relative to `nnUNet_results`. Throws `missingInput` and `cannotWrite`.
  ///
  /// - Returns: the names of the files in the archive.
  @discardableResult
  public func write(to path: String) throws -> [String] {
    let names = try files()
    guard names.contains(where: { $0.contains("/fold_") }) else {
      throw Failure(.missingInput, "has no trained models to export", file: folders.results)
    }
    let root = Path.split(folders.results).folder
    let archive = try ZipWriter(path: path)
    for name in names {
      if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
      let file = try MappedFile(path: Path.join(root, name))
      try withExtendedLifetime(file) { try archive.add(name, file.bytes, method: .deflated) }
    }
    try archive.commit()
    return names
  }

  private func files() throws -> [String] {
    var names: [String] = []
    var exported: [ModelIdentifier] = []
    for model in models {
      let folder = Path.join(folders.results, model.description)
      guard Path.isFolder(folder) else {
        if toleratesMissing { continue }
        throw Failure(
          .missingInput, "there is no such trained model", file: folder,
          hint: "choose the configurations to export with -c, or leave out what is missing with --not_strict")
      }
      exported.append(model)
      names += try files(of: model)
    }
    func add(_ candidates: [String], in folder: String) {
      for name in candidates where Path.isFile(Path.join(Path.join(folders.results, folder), name)) {
        names.append(Path.join(folders.dataset, folder.isEmpty ? name : Path.join(folder, name)))
      }
    }
    for name in (try? Path.list(Path.join(folders.results, "ensembles"))) ?? [] {
      let members = name.components(separatedBy: "___").dropFirst().dropLast().map(ModelIdentifier.init)
      guard !members.isEmpty, members.allSatisfy({ $0.map(exported.contains) ?? false }) else { continue }
      let folder = Path.join("ensembles", name)
      add(try results(in: Path.join(folders.results, folder)), in: folder)
    }
    add(["inference_information.json", "inference_information.txt"], in: "")
    return names
  }

  /// The files of a cross-validation that are kept.
  private func results(in folder: String) throws -> [String] {
    guard includesPredictions, Path.isFolder(folder) else {
      return ["summary.json", "postprocessing.pkl", "postprocessing.json"]
    }
    return try Path.list(folder).filter { !$0.hasPrefix(".") }
  }

  private func files(of model: ModelIdentifier) throws -> [String] {
    let folder = Path.join(folders.results, model.description)
    var names: [String] = []
    func add(_ name: String, required: Bool = false) throws {
      if Path.isFile(Path.join(folder, name)) {
        names.append(Path.join(Path.join(folders.dataset, model.description), name))
      } else if required, !toleratesMissing {
        throw Failure(
          .missingInput, "is missing", file: Path.join(folder, name),
          hint: "choose folds with -f and checkpoints with -chk, or leave out what is missing with --not_strict")
      }
    }
    for fold in folds.map({ "fold_\($0)" }) {
      try add("\(fold)/debug.json")
      for checkpoint in checkpoints { try add("\(fold)/\(checkpoint)", required: true) }
      for name in ["progress.png", "network_architecture.pdf"] { try add("\(fold)/\(name)") }
      if includesPredictions {
        for name in try Path.list(Path.join(folder, "\(fold)/validation"))
        where !name.hasSuffix(".npz") && !name.hasSuffix(".pkl") { try add("\(fold)/validation/\(name)") }
      } else {
        try add("\(fold)/validation/summary.json")
      }
    }
    let crossValidation = ModelIdentifier.crossValidationFolder(folds: folds)
    for name in try results(in: Path.join(folder, crossValidation)) { try add("\(crossValidation)/\(name)") }
    for name in ["plans.json", "dataset_fingerprint.json", "dataset.json"] {
      try add(name, required: name != "dataset_fingerprint.json")
    }
    return names
  }
}

extension String {
  /// The parts between occurrences of a text.
  fileprivate func components(separatedBy separator: String) -> [String] {
    split(separator: separator, omittingEmptySubsequences: false).map(String.init)
  }
}
