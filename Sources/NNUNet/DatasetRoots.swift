import Basics

/// nnU-Net's three folders: raw datasets, preprocessed ones and results.
///
/// Each is an error only when something is looked for in it and it was not named.
public struct DatasetRoots: Sendable {
  private let folders: [String: String]
  /// `nnUNet_raw_data_base` of nnU-Net v1, if it is set.
  private let legacyBase: String?

  private static let variables = ["nnUNet_results", "nnUNet_raw", "nnUNet_preprocessed"]

  /// - Parameter environment: looks up `nnUNet_raw`, `nnUNet_preprocessed` and `nnUNet_results`.
  public init(environment: (String) -> String?) {
    var folders: [String: String] = [:]
    for name in Self.variables {
      if let path = environment(name), !path.isEmpty { folders[name] = path }
    }
    self.folders = folders
    legacyBase = environment("nnUNet_raw_data_base")
  }

  /// The folder of raw datasets. Throws `usage` when it was not named.
  public func raw() throws -> String { try folder("nnUNet_raw", "with the raw datasets") }

  /// The folder of preprocessed datasets. Throws `usage` when it was not named.
  public func preprocessed() throws -> String { try folder("nnUNet_preprocessed", "for preprocessed datasets") }

  /// The folder of trained models. Throws `usage` when it was not named.
  public func results() throws -> String { try folder("nnUNet_results", "with the trained models") }

  private func folder(_ variable: String, _ purpose: String) throws -> String {
    if let path = folders[variable] { return path }
    let legacy = legacyBase == nil ? "" : "; nnUNet_raw_data_base is nnU-Net v1's"
    throw Failure(
      .usage, "the environment variable \(variable) is not set", hint: "set it to the folder \(purpose)\(legacy)")
  }

  /// The full name of a dataset given as `Dataset004_Name`, `Task004_Name` (as v1 called it), `4` or `004`.
  ///
  /// Throws `usage` when no dataset has the number, and when several do.
  public func dataset(_ nameOrIdentifier: String) throws -> String {
    do {
      return try Self.dataset(nameOrIdentifier, roots: Self.variables.compactMap { folders[$0] })
    } catch var failure as Failure {
      if let old = legacyTask(nameOrIdentifier) {
        failure.hint = "nnU-Net v1 knows it as \(old); microtome convert nnunet-v1 brings it to nnUNet_raw"
      }
      throw failure
    }
  }

  /// Whether a name is that of a dataset's folder, `DatasetNNN_name`.
  public static func isName(_ name: String) -> Bool {
    guard name.hasPrefix("Dataset"), !name.contains("/") else { return false }
    let digits = name.dropFirst(7).prefix { $0.isASCII && $0.isNumber }
    return digits.count >= 3 && name.dropFirst(7 + digits.count).first == "_"
  }

  /// The full name of a dataset, looked up in all folders of `roots`.
  static func dataset(_ nameOrIdentifier: String, roots: [String]) throws -> String {
    guard !nameOrIdentifier.hasPrefix("Dataset") else { return nameOrIdentifier }
    if nameOrIdentifier.hasPrefix("Task"), nameOrIdentifier.contains("_") {
      return "Dataset" + nameOrIdentifier.dropFirst("Task".count)
    }
    guard let identifier = Int(nameOrIdentifier), identifier >= 0 else {
      throw Failure(.usage, "\"\(nameOrIdentifier)\" is neither a dataset name (Dataset004_Name) nor its number")
    }
    let prefix = "Dataset" + number(identifier)
    // Dataset0040 is not Dataset004.
    let hits = Set(folders(of: roots) { $0.hasPrefix(prefix) && $0.dropFirst(prefix.count).first?.isNumber != true })
      .sorted()
    guard hits.count == 1, let only = hits.first else {
      guard !roots.isEmpty else {
        throw Failure(
          .usage,
          "dataset \(identifier) cannot be looked up: none of nnUNet_raw, nnUNet_preprocessed, nnUNet_results is set",
          hint: "set these environment variables to nnU-Net's folders")
      }
      let found = hits.isEmpty ? "no dataset has" : "\(hits.joined(separator: " and ")) have"
      throw Failure(.usage, "\(found) the number \(identifier) in \(roots.joined(separator: ", "))")
    }
    return only
  }

  /// The names of folders in `roots`; archives and other files beside them do not count.
  static func folders(of roots: [String], where isWanted: (String) -> Bool) -> [String] {
    roots.flatMap { root in
      ((try? Path.list(root)) ?? []).filter { isWanted($0) && Path.isFolder(Path.join(root, $0)) }
    }
  }

  /// Three digits at least.
  static func number(_ identifier: Int) -> String {
    let digits = String(identifier)
    return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
  }

  /// The folder of a v1 task with this number.
  private func legacyTask(_ identifier: String) -> String? {
    guard let legacyBase, let identifier = Int(identifier) else { return nil }
    let tasks = Path.join(legacyBase, "nnUNet_raw_data")
    return (try? Path.list(tasks))?.first { $0.hasPrefix("Task\(Self.number(identifier))_") }
      .map { Path.join(tasks, $0) }
  }
}
