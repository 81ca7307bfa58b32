import Basics
import Imaging

/// The JSON file beside a TIFF stack that holds its spacing.
enum TIFFSpacing {
  /// The spacing (Z, Y, X) from `case.json`, for the image `case_0000.tif` or the segmentation `case.tif`; ones and a
  /// warning when that is absent.
  static func read(_ path: String, areLabels: Bool) throws -> (Vector3D, warning: String?) {
    let side = areLabels ? sideFile(forLabels: path) : String(stem(path).dropLast("_0000".count)) + ".json"
    guard Path.isFile(side) else {
      return (Vector3D(1, 1, 1), "\(path) has no spacing file \(side); spacing 1, 1, 1 is assumed")
    }
    guard let spacing = try JSON.read(side)["spacing"]?.doubles, spacing.count == 3,
      spacing.allSatisfy({ $0.isFinite && $0 > 0 })
    else { throw Failure(.badInput, "needs three positive numbers under \"spacing\"", file: side) }
    return (Vector3D(spacing[0], spacing[1], spacing[2]), nil)
  }

  static func sideFile(forLabels path: String) -> String { stem(path) + ".json" }

  /// The path without its ending.
  private static func stem(_ path: String) -> String {
    let (folder, name) = Path.split(path)
    guard let dot = name.lastIndex(of: ".") else { return path }
    return path.contains("/") ? Path.join(folder, String(name[..<dot])) : String(name[..<dot])
  }
}
