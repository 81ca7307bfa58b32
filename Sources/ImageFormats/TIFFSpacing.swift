import Basics
import Imaging

/// The JSON file beside a TIFF stack that holds its spacing.
enum TIFFSpacing {
  /// The spacing (Z, Y, X) for the image `case_0000.tif`, from `case.json`; ones and a warning when that is absent.
  static func read(forImage path: String) throws -> (Vector3D, warning: String?) {
    try read(dropping: 5, path)
  }

  /// The spacing for the segmentation `case.tif`.
  static func read(forLabels path: String) throws -> (Vector3D, warning: String?) {
    try read(dropping: 0, path)
  }

  static func sideFile(forLabels path: String) -> String { stem(path) + ".json" }

  private static func read(dropping suffix: Int, _ path: String) throws -> (Vector3D, warning: String?) {
    let side = String(stem(path).dropLast(suffix)) + ".json"
    guard Path.isFile(side) else {
      return (Vector3D(1, 1, 1), "\(path) has no spacing file \(side); spacing 1, 1, 1 is assumed")
    }
    guard let spacing = try JSON.read(side)["spacing"]?.doubles, spacing.count == 3,
      spacing.allSatisfy({ $0.isFinite && $0 > 0 })
    else { throw Failure(.badInput, "needs three positive numbers under \"spacing\"", file: side) }
    return (Vector3D(spacing[0], spacing[1], spacing[2]), nil)
  }

  /// The path without its ending.
  private static func stem(_ path: String) -> String {
    let (folder, name) = Path.split(path)
    guard let dot = name.lastIndex(of: ".") else { return path }
    return path.contains("/") ? Path.join(folder, String(name[..<dot])) : String(name[..<dot])
  }
}
