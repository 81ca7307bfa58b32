import Basics

/// The name of a trained model's folder: `<trainer>__<plans>__<configuration>`.
public struct ModelIdentifier: Sendable, Hashable, CustomStringConvertible {
  public var trainer: String
  public var plans: String
  public var configuration: String

  public init(trainer: String, plans: String, configuration: String) {
    (self.trainer, self.plans, self.configuration) = (trainer, plans, configuration)
  }

  /// Takes a folder's name apart. nil when it does not have three parts.
  public init?(_ name: String) {
    let parts = name.split(separator: "__", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }) else { return nil }
    self.init(trainer: parts[0], plans: parts[1], configuration: parts[2])
  }

  public var description: String { "\(trainer)__\(plans)__\(configuration)" }

  /// `crossval_results_folds_0_1_2_3_4`
  public static func crossValidationFolder(folds: [String]) -> String {
    "crossval_results_folds_" + folds.joined(separator: "_")
  }

  /// `ensemble___MODEL___MODEL___0_1_2_3_4`
  public static func ensembleName(_ models: [ModelIdentifier], folds: [String]) -> String {
    (["ensemble"] + models.map(\.description) + [folds.joined(separator: "_")]).joined(separator: "___")
  }
}

/// The three folders of a dataset, as far as they are configured.
public struct DatasetFolders: Sendable {
  /// `Dataset004_Name`
  public let dataset: String
  /// The dataset's folder in `nnUNet_results`.
  public let results: String
  let raw: String?
  let preprocessed: String?

  /// - Parameters:
  ///   - dataset: a name or a number.
  ///   - environment: looks up `nnUNet_results`, `nnUNet_raw` and `nnUNet_preprocessed`.
  /// - Throws: `usage` when `nnUNet_results` is not set or the dataset is not known.
  public init(_ dataset: String, environment: (String) -> String?) throws {
    let root = try ResultsFolder(environment: environment)
    let name = try root.dataset(dataset)
    self.dataset = name
    results = Path.join(root.path, name)
    func folder(_ variable: String) -> String? {
      environment(variable).flatMap { $0.isEmpty ? nil : Path.join($0, name) }
    }
    raw = folder("nnUNet_raw")
    preprocessed = folder("nnUNet_preprocessed")
  }

  /// `gt_segmentations` of the preprocessed dataset. Throws `usage` when `nnUNet_preprocessed` is not set.
  func preprocessedLabels() throws -> String {
    guard let preprocessed else {
      throw Failure(
        .usage, "the environment variable nnUNet_preprocessed is not set",
        hint: "the labels to judge by are read from gt_segmentations in its folder \(dataset)")
    }
    return Path.join(preprocessed, "gt_segmentations")
  }

  /// `labelsTr` of the raw dataset where it is there, else `gt_segmentations` of the preprocessed one.
  ///
  /// Throws `usage` when neither is configured.
  public func labelsToJudgeBy() throws -> String {
    if let folder = raw.map({ Path.join($0, "labelsTr") }), Path.isFolder(folder) { return folder }
    return try preprocessedLabels()
  }
}
