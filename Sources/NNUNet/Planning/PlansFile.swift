import Basics
import ImageFormats

/// Plans and what lies beside them in a preprocessed dataset's folder.
public enum PlansFile {
  /// Writes `<plans_name>.json`. Of plans of the same name that are there already, configurations that the new ones lack
  /// are kept, as nnU-Net does.
  ///
  /// Throws `cannotWrite`, and `badInput` when what is there is no plans file.
  public static func write(_ plans: JSON, folder: String) throws {
    guard var document = plans.object, let name = plans["plans_name"]?.string,
      var configurations = plans["configurations"]?.object
    else { throw Failure(.internalError, "plans without a name or configurations cannot be written") }
    try Path.makeFolder(folder)
    let path = Path.join(folder, name + ".json")
    if Path.exists(path) {
      for (key, value) in try JSON.read(path)["configurations"]?.object?.members ?? [] where configurations[key] == nil
      {
        configurations[key] = value
      }
      document["configurations"] = .object(configurations)
    }
    try AtomicFile.write(Array(JSON.object(document).text(indent: 4).utf8), to: path)
  }

  /// The names of the plans in a preprocessed dataset's folder.
  public static func names(in folder: String) -> [String] {
    let documents = ((try? Path.list(folder)) ?? []).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
    return documents.filter { (try? JSON.read(Path.join(folder, $0)))?["configurations"]?.object != nil }
      .map { String($0.dropLast(".json".count)) }
  }

  /// Copies `dataset.json`, and `splits_final.json` where the raw dataset has one, to the preprocessed dataset's folder.
  ///
  /// Throws `badInput` when there are other splits already.
  public static func copyDescription(of dataset: RawDataset, to folder: String) throws {
    try Path.makeFolder(folder)
    try Path.copy(Path.join(dataset.path, "dataset.json"), to: Path.join(folder, "dataset.json"))
    let source = Path.join(dataset.path, CrossValidation.fileName)
    guard Path.exists(source) else { return }
    let target = Path.join(folder, CrossValidation.fileName)
    guard Path.exists(target) else { return try Path.copy(source, to: target) }
    let (wanted, present) = (try CrossValidation.read(source), try CrossValidation.read(target))
    let isEqual =
      wanted.count <= present.count
      && zip(wanted, present).allSatisfy {
        Set($0.train) == Set($1.train) && Set($0.validation) == Set($1.validation)
      }
    guard isEqual else {
      throw Failure(
        .badInput, "holds other folds than \(source)", file: target,
        hint: "remove one of the two; networks trained on the old folds cannot be compared with new ones")
    }
  }

  /// Gives the plans of one dataset to another (`nnUNetv2_move_plans_between_datasets`).
  ///
  /// Names, the reader and the folders of preprocessed data become those of the target; everything else is kept,
  /// intensity statistics included.
  ///
  /// - Parameters:
  ///   - source: the preprocessed folder of the dataset that has the plans.
  ///   - target: the preprocessed folder of the one that gets them.
  ///   - reader: the class that reads the target's images.
  /// - Returns: the path of the new plans.
  public static func move(
    _ plansName: String, from source: String, to target: String, as newName: String, reader: ImageReader
  ) throws -> String {
    let path = Path.join(source, plansName + ".json")
    guard var document = try JSON.read(path).object, var configurations = document["configurations"]?.object else {
      throw Failure(.badInput, "is not a plans file", file: path)
    }
    document["dataset_name"] = .string(Path.split(target).name)
    document["plans_name"] = .string(newName)
    document["image_reader_writer"] = .string(reader.rawValue)
    if plansName != newName {
      for (name, value) in configurations.members {
        guard var configuration = value.object, let identifier = configuration["data_identifier"]?.string else {
          continue
        }
        let renamed =
          identifier.hasPrefix(plansName) ? newName + identifier.dropFirst(plansName.count) : "\(newName)_\(identifier)"
        configuration["data_identifier"] = .string(renamed)
        configurations[name] = .object(configuration)
      }
      document["configurations"] = .object(configurations)
    }
    try Path.makeFolder(target)
    let result = Path.join(target, newName + ".json")
    try AtomicFile.write(Array(JSON.object(document).text(indent: 4).utf8), to: result)
    return result
  }
}
