import Basics

/// The folders nnU-Net is configured with, and how its names are resolved in them.
public struct ResultsFolder: Sendable {
  public let path: String
  /// All roots in which a dataset id may be looked up, `path` first.
  private let roots: [String]

  /// - Parameter environment: looks up `nnUNet_results`, `nnUNet_raw` and `nnUNet_preprocessed`.
  public init(environment: (String) -> String?) throws {
    guard let path = environment("nnUNet_results"), !path.isEmpty else {
      throw Failure(
        .usage, "the environment variable nnUNet_results is not set",
        hint: "set it to the folder with the trained models; commands with an option -m take a model folder there")
    }
    self.path = path
    roots = [path] + ["nnUNet_raw", "nnUNet_preprocessed"].compactMap(environment)
  }

  /// The full name of a dataset given as `Dataset004_Name`, `4` or `004`.
  public func dataset(_ nameOrIdentifier: String) throws -> String {
    try DatasetRoots.dataset(nameOrIdentifier, roots: roots)
  }

  /// `<results>/<dataset>/<trainer>__<plans>__<configuration>`
  public func modelFolder(dataset: String, trainer: String, plans: String, configuration: String) throws -> String {
    let dataset = try self.dataset(dataset)
    let folder = Path.join(Path.join(path, dataset), "\(trainer)__\(plans)__\(configuration)")
    guard Path.isFolder(folder) else {
      let trained = ((try? Path.list(Path.join(path, dataset))) ?? []).filter { $0.contains("__") }
      throw Failure(
        .missingInput, "there is no such trained model", file: folder,
        hint: trained.isEmpty
          ? "\(Path.join(path, dataset)) holds no models" : "trained are \(trained.joined(separator: ", "))")
    }
    return folder
  }
}
