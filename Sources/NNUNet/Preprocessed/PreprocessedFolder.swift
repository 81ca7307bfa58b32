import Basics
import Checkpoints
import Imaging

/// The preprocessed cases of one configuration: `nnUNet_preprocessed/DATASET/DATA_IDENTIFIER`, as nnU-Net and this
/// program write it.
public struct PreprocessedFolder: Sendable {
  public let path: String
  /// Sorted by code point.
  public let identifiers: [String]

  private let format: Format
  private let frame: Frame

  /// How the arrays are stored.
  enum Format: String, CaseIterable {
    case numPy = ".npz"
    case blosc = ".b2nd"
  }

  /// Opens a folder; its plans are looked for in the folder above.
  ///
  /// Throws `missingInput` when there is no such folder or no case in it, `badInput` when two formats are mixed.
  public init(path: String) throws {
    try self.init(path: path, frame: Frame.find(for: path))
  }

  /// Opens a folder that belongs to a configuration of known plans. Errors as above.
  public init(path: String, plans: Plans, configuration: Configuration) throws {
    try self.init(path: path, frame: Frame(plans: plans, configuration: configuration))
  }

  private init(path: String, frame: Frame) throws {
    guard Path.isFolder(path) else {
      throw Failure(
        .missingInput, "does not exist", file: path,
        hint: "preprocess the dataset first: microtome preprocess -d DATASET -c CONFIGURATION")
    }
    let names = try Path.list(path).filter { !$0.hasPrefix(".") }
    let present = Format.allCases.filter { format in names.contains { $0.hasSuffix(format.rawValue) } }
    guard present.count <= 1 else {
      throw Failure(
        .badInput, "holds .npz and .b2nd files, of different versions of nnU-Net", file: path,
        hint: "preprocess the dataset again")
    }
    guard let format = present.first else {
      throw Failure(.missingInput, "holds no preprocessed cases", file: path, hint: "preprocess the dataset again")
    }
    self.path = path
    self.format = format
    self.frame = frame
    identifiers = names.filter { $0.hasSuffix(format.rawValue) && !$0.hasSuffix("_seg.b2nd") }
      .map { String($0.dropLast(format.rawValue.count)) }.sortedByCodePoint()
  }

  /// Opens a case; large arrays are mapped, not read.
  ///
  /// Throws `missingInput` when it does not exist and `badInput` when its files are damaged or disagree.
  public func open(_ identifier: String) throws -> any PreprocessedCase {
    let stem = Path.join(path, identifier)
    guard Path.exists(stem + format.rawValue) else {
      throw Failure(.missingInput, "does not exist", file: stem + format.rawValue, hint: "preprocess the dataset again")
    }
    switch format {
    case .numPy: return try ArrayCase(identifier: identifier, stem: stem, frame: frame)
    case .blosc: return try BloscCase(identifier: identifier, stem: stem, frame: frame)
    }
  }

  /// What plans say about a folder's axes and spacing, which the cases' own properties do not.
  struct Frame: Sendable {
    /// `transpose_forward` and `transpose_backward`.
    var forward = [0, 1, 2]
    var backward = [0, 1, 2]
    /// Of the network's grid in mm; nil when no plans are known.
    var configuration: Configuration?

    init() {}

    init(plans: Plans, configuration: Configuration) {
      forward = plans.transposeForward
      backward = plans.transposeBackward
      self.configuration = configuration
    }

    /// From the plans beside a folder that mention it; plans that share a folder agree.
    static func find(for path: String) throws -> Frame {
      let (parent, name) = Path.split(path)
      for file in (try? Path.list(parent)) ?? [] where file.hasSuffix(".json") {
        guard let plans = try? Plans.read(Path.join(parent, file)) else { continue }
        for configuration in plans.configurationNames {
          guard let found = try? plans.configuration(configuration),
            found.json["data_identifier"]?.string == name
          else { continue }
          return Frame(plans: plans, configuration: found)
        }
      }
      return Frame()
    }

    func networkSpacing(image: Vector3D, from: Shape3D, to: Shape3D) -> Vector3D {
      if let configuration { return configuration.targetSpacing(for: image) }
      return Vector3D(
        image.z * Double(from.z) / Double(to.z), image.y * Double(from.y) / Double(to.y),
        image.x * Double(from.x) / Double(to.x))
    }
  }
}
