import Basics
import ImageFormats
import Imaging

/// Brings datasets of other layouts to nnU-Net v2's.
///
/// The new dataset is collected beside its folder and gets its name when it is complete.
public enum DatasetConversion {
  /// Converts a dataset of the Medical Segmentation Decathlon (`nnUNetv2_convert_MSD_dataset`).
  ///
  /// Images with a fourth axis become one file per channel. Labels and 3D images are copied.
  ///
  /// - Parameters:
  ///   - source: `TaskXX_NAME`, with `dataset.json`, `imagesTr`, `labelsTr` and `imagesTs`.
  ///   - roots: the folders in which the new number must be free; the dataset goes to the first.
  ///   - identifier: the new number; nil for the task's own.
  /// - Returns: the path of the new dataset.
  public static func convertDecathlon(
    _ source: String, roots: [String], identifier: Int? = nil,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> String {
    let name = Path.split(source).name
    let digits = name.dropFirst("Task".count).prefix { $0.isNumber }
    guard name.hasPrefix("Task"), let own = Int(digits), name.dropFirst(4 + digits.count).hasPrefix("_") else {
      throw Failure(.usage, "is not named TaskXX_NAME", file: source, hint: "-i takes the folder of a Decathlon task")
    }
    for folder in ["imagesTr", "imagesTs", "labelsTr"] where !Path.isFolder(Path.join(source, folder)) {
      throw Failure(.missingInput, "does not exist", file: Path.join(source, folder))
    }
    let prefix = "Dataset" + DatasetRoots.number(identifier ?? own)
    let target = prefix + name.dropFirst(4 + digits.count)
    let taken = DatasetRoots.folders(of: roots) { $0.hasPrefix(prefix + "_") }
    guard taken.isEmpty else {
      throw Failure(
        .usage, "the number \(identifier ?? own) is taken by \(taken[0])", hint: "choose another with -overwrite_id")
    }
    let json = try description(source, dropping: ["training", "test"])
    return try build(target, in: roots[0], json: json) { scratch in
      var jobs: [(source: String, target: String, isImage: Bool)] = []
      for folder in ["imagesTr", "imagesTs", "labelsTr"] {
        try Path.makeFolder(Path.join(scratch, folder))
        for file in try Path.list(Path.join(source, folder)) {
          guard file.hasSuffix(".nii.gz"), !file.hasPrefix("."), !file.hasPrefix("_") else { continue }
          let (from, to) = (Path.join(source, folder), Path.join(scratch, folder))
          jobs.append((Path.join(from, file), Path.join(to, file), folder != "labelsTr"))
        }
      }
      let all = jobs
      for (index, job) in all.enumerated() {
        if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
        if job.isImage {
          try splitChannels(job.source, to: job.target)
        } else {
          try Path.copy(job.source, to: job.target)
        }
        progress(index + 1, all.count)
      }
    }
  }

  /// Converts a raw dataset of nnU-Net v1 (`nnUNetv2_convert_old_nnUNet_dataset`).
  ///
  /// - Parameters:
  ///   - source: `nnUNet_raw_data/TaskXXX_NAME`.
  ///   - name: the new dataset's name, `DatasetXXX_NAME`.
  ///   - root: the folder of raw datasets.
  /// - Returns: the path of the new dataset.
  public static func convertLegacy(_ source: String, name: String, root: String) throws -> String {
    guard DatasetRoots.isName(name) else { throw Failure(.usage, "\"\(name)\" is not of the form DatasetXXX_NAME") }
    for folder in ["imagesTr", "labelsTr"] where !Path.isFolder(Path.join(source, folder)) {
      throw Failure(.missingInput, "does not exist", file: Path.join(source, folder))
    }
    let json = try description(source, dropping: ["tensorImageSize", "numTest", "training", "test"])
    return try build(name, in: root, json: json) { scratch in
      for folder in ["imagesTr", "labelsTr", "imagesTs", "labelsTs", "imagesVal", "labelsVal"] {
        let from = Path.join(source, folder)
        guard Path.isFolder(from) else { continue }
        try Path.makeFolder(Path.join(scratch, folder))
        for file in try Path.list(from) where !file.hasPrefix(".") && Path.isFile(Path.join(from, file)) {
          if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
          try Path.copy(Path.join(from, file), to: Path.join(Path.join(scratch, folder), file))
        }
      }
    }
  }

  /// A `dataset.json` with channels and labels as v2 spells them.
  private static func description(_ source: String, dropping: [String]) throws -> JSONObject {
    let path = Path.join(source, "dataset.json")
    guard var json = try JSON.read(path).object else { throw Failure(.badInput, "is no JSON object", file: path) }
    guard let modality = json["modality"], let labels = json["labels"]?.object else {
      throw Failure(
        .badInput, "\"modality\" or \"labels\" is missing", file: path, hint: "it may be a v2 dataset already")
    }
    var inverted = JSONObject()
    for (value, name) in labels.members {
      guard let number = Int(value), let name = name.string else {
        throw Failure(.badInput, "\"labels\" does not map numbers to names", file: path)
      }
      inverted[name] = .int(number)
    }
    json["labels"] = .object(inverted)
    json["file_ending"] = .string(".nii.gz")
    json["channel_names"] = modality
    for key in dropping + ["modality"] { json[key] = nil }
    return json
  }

  /// Fills a folder and gives it its name.
  private static func build(
    _ name: String, in root: String, json: JSONObject, _ fill: (_ scratch: String) throws -> Void
  ) throws -> String {
    let target = Path.join(root, name)
    guard !Path.exists(target) else {
      throw Failure(.cannotWrite, "exists already", file: target, hint: "choose another number or remove it")
    }
    try Path.makeFolder(root)
    let scratch = try ScratchFolder(in: root)
    try fill(scratch.path)
    try AtomicFile.write(
      Array(JSON.object(json).text(indent: 4).utf8), to: Path.join(scratch.path, "dataset.json"))
    try scratch.replace(target)
    return target
  }

  /// Copies a 3D image as `_0000`, and writes each volume of a 4D one to a file of its own.
  private static func splitChannels(_ source: String, to target: String) throws {
    let stem = target.dropLast(".nii.gz".count)
    let header = try ImageHeader.read(source)
    guard header.channels > 1 else { return try Path.copy(source, to: stem + "_0000.nii.gz") }
    for channel in 0..<header.channels {
      let digits = String(channel)
      let suffix = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      try NIfTIVolumes.extract(channel, of: source, to: "\(stem)_\(suffix).nii.gz")
    }
  }
}
