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
        hint: "set it to the folder with the trained models, or give the model folder with -m")
    }
    self.path = path
    roots = [path] + ["nnUNet_raw", "nnUNet_preprocessed"].compactMap(environment)
  }

  /// The full name of a dataset given as `Dataset004_Name`, `4` or `004`.
  public func dataset(_ nameOrIdentifier: String) throws -> String {
    guard !nameOrIdentifier.hasPrefix("Dataset") else { return nameOrIdentifier }
    guard let identifier = Int(nameOrIdentifier), identifier >= 0 else {
      throw Failure(.usage, "\"\(nameOrIdentifier)\" is neither a dataset name (Dataset004_Name) nor its number")
    }
    let digits = String(identifier)
    let prefix = "Dataset" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    let hits = Set(
      roots.flatMap { (try? Path.list($0)) ?? [] }.filter {
        // Dataset0040 is not Dataset004.
        $0.hasPrefix(prefix) && $0.dropFirst(prefix.count).first?.isNumber != true
      }
    ).sorted()
    guard hits.count == 1, let only = hits.first else {
      let found = hits.isEmpty ? "no dataset has" : "\(hits.joined(separator: " and ")) have"
      throw Failure(.usage, "\(found) the number \(identifier) in \(roots.joined(separator: ", "))")
    }
    return only
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
