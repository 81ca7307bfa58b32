import Basics
import NNUNet

/// The folder in which the networks' weights lie: `DatasetNNN_name/<trainer>__<plans>__<configuration>/fold_K/`.
public struct WeightStore: Sendable {
  public let catalogue: TaskCatalogue
  public let folders: TotalSegmentatorFolders

  /// The name of a checkpoint in the folder of a fold.
  public static let checkpoint = "checkpoint_final.pth"

  public init(catalogue: TaskCatalogue, folders: TotalSegmentatorFolders = TotalSegmentatorFolders()) {
    self.catalogue = catalogue
    self.folders = folders
  }

  /// The folder of a source, whether it exists or not.
  public func folder(of source: ModelSource) -> String {
    source.folder.hasPrefix("/") ? source.folder : Path.join(folders.weights, source.folder)
  }

  /// The model folder of a part, with everything that a prediction needs in it.
  ///
  /// Throws `missingInput` when it is absent or incomplete, saying what is missing and how to get it, and `usage` when
  /// a small network is asked for and the part has none.
  public func modelFolder(for part: TaskPart, smallModel: Bool = false) throws -> String {
    let folder = try path(of: part, smallModel: smallModel)
    _ = try folds(of: part, in: folder)
    return folder
  }

  /// The folds that are averaged for a part: those of the catalogue, or every `fold_<number>` with a checkpoint.
  ///
  /// Throws `missingInput` as `modelFolder` does.
  public func folds(of part: TaskPart, in modelFolder: String) throws -> [Int] {
    let source = try catalogue.dataset(part.dataset)
    guard Path.isFolder(modelFolder) else {
      let isThere = Path.isFolder(folder(of: source))
      throw Failure(
        .missingInput,
        isThere
          ? "the weights of this configuration are missing from \(source.folder)"
          : "the weights of \(source.folder) are not installed", file: modelFolder, hint: remedy(for: source))
    }
    for name in ["plans.json", "dataset.json"] where !Path.isFile(Path.join(modelFolder, name)) {
      throw incomplete(modelFolder, "it has no \(name)", source)
    }
    let available = TrainedModel.availableFolds(folder: modelFolder, checkpoint: Self.checkpoint).compactMap { Int($0) }
    guard let wanted = part.folds else {
      guard !available.isEmpty else {
        throw incomplete(modelFolder, "no fold has a \(Self.checkpoint)", source)
      }
      return available.sorted()
    }
    if let missing = wanted.first(where: { !available.contains($0) }) {
      throw incomplete(modelFolder, "fold_\(missing)/\(Self.checkpoint) is missing", source)
    }
    return wanted
  }

  /// Where a part's model folder is or would be. Throws `usage` when there is no small network.
  func path(of part: TaskPart, smallModel: Bool) throws -> String {
    var plans = part.plans
    if smallModel {
      guard let small = part.smallPlans else {
        throw Failure(.usage, "there is no small network for this task", hint: "leave --model_size small out")
      }
      plans = small
    }
    let dataset = folder(of: try catalogue.dataset(part.dataset))
    return Path.join(dataset, "\(part.trainer)__\(plans)__\(part.configuration)")
  }

  private func incomplete(_ folder: String, _ what: String, _ source: ModelSource) -> Failure {
    Failure(
      .missingInput, "the weights are incomplete, as when unpacking was interrupted: \(what)", file: folder,
      hint: remedy(for: source))
  }

  /// How the weights can be had, with and without a connection.
  func remedy(for source: ModelSource) -> String {
    let name = catalogue.downloads.first { $0.sources.contains(source.id) }?.name ?? source.id
    var text = "microtome weights download \(name)"
    if source.licenseTask != nil {
      text += " (a licence is needed: \(catalogue.license?.page ?? "ask their owner"))"
    }
    return text + "; without a connection: " + manualRemedy(for: source)
  }

  /// How the weights can be had without Microtome downloading them.
  func manualRemedy(for source: ModelSource) -> String {
    let origin = source.url.map { "fetch \($0) elsewhere" } ?? "get the archive elsewhere"
    return "\(origin) and run microtome weights import FILE.zip, or copy the folder to \(folder(of: source))"
  }
}
