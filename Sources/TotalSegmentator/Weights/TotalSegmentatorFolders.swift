import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where TotalSegmentator keeps what belongs to a user; Microtome shares these folders with it.
public struct TotalSegmentatorFolders: Sendable, Equatable {
  /// `TOTALSEG_HOME_DIR`, else `~/.totalsegmentator`.
  public let home: String
  /// The folder given, else `TOTALSEG_WEIGHTS_PATH`, else `nnunet/results` in the home folder.
  public let weights: String

  /// - Parameters:
  ///   - weights: The folder of weights that the user gave on the command line.
  ///   - environment: Looks up `TOTALSEG_HOME_DIR`, `TOTALSEG_WEIGHTS_PATH` and `HOME`.
  public init(weights: String? = nil, environment: (String) -> String? = TaskCatalogue.processVariable) {
    home = environment("TOTALSEG_HOME_DIR") ?? Self.usualHome(environment("HOME"))
    self.weights = weights ?? environment("TOTALSEG_WEIGHTS_PATH") ?? Path.join(home, "nnunet/results")
  }

  /// The settings that TotalSegmentator keeps: a JSON file.
  public var configuration: String { Path.join(home, "config.json") }

  private static func usualHome(_ variable: String?) -> String {
    var user = variable ?? ""
    if user.isEmpty, let entry = getpwuid(getuid()) { user = String(cString: entry.pointee.pw_dir) }
    // In containers without a user the home folder is the root, where nothing can be written.
    return Path.join(user.isEmpty || user == "/" ? "/tmp" : user, ".totalsegmentator")
  }
}
