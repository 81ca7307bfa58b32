import Basics

/// Where the weights of one dataset come from.
public struct ModelSource: Sendable, Equatable {
  /// The number of the dataset; a name for what is no nnU-Net dataset.
  public var id: String
  /// In the weights folder; an absolute path for weights that lie elsewhere.
  public var folder: String
  /// The ZIP archive that unpacks to `folder`; nil when there is none to fetch from the open network.
  public var url: String?
  /// The archive's size in bytes as somebody reported it: for estimates, never for checks.
  public var sizeHint: Int?
  /// Of the archive, in lower-case hexadecimal, where it is known.
  public var sha256: String?
  /// The name under which the licence server has the weights; nil for open weights.
  public var licenseTask: String?
}

/// Where licences are given out and licensed weights lie.
public struct LicenseServer: Sendable, Equatable {
  /// Takes a POST of the licence's number and gives the archive.
  public var downloads: String
  /// Where a person gets a licence.
  public var page: String
  /// The release of TotalSegmentator whose weights are asked for.
  public var version: String
}

extension ModelSource {
  /// Throws `badInput` naming file and key.
  init(id: String, reading node: LocatedJSON, releases: String?) throws {
    _ = try node.members(known: ["folder", "url", "release", "sizeHint", "sha256", "licenseTask"])
    self.id = id
    let folderNode = try node.required("folder")
    folder = try folderNode.string()
    let steps = folder.split(separator: "/", omittingEmptySubsequences: false)
    guard !steps.contains(".."), !steps.contains("."), folder != "/" else {
      throw folderNode.wrong("a folder without . and .. was expected")
    }
    url = try node["url"]?.string()
    if let release = node["release"] {
      guard url == nil, let releases else {
        throw release.wrong("stands for a url below \"releases\" and cannot be used with a url of its own")
      }
      url = "\(releases)/\(try release.string())/\(folder).zip"
    }
    if let url, let place = node["url"], !["https://", "http://", "file://"].contains(where: url.hasPrefix) {
      throw place.wrong("an address that begins with https:// was expected")
    }
    sizeHint = try node["sizeHint"]?.integer(1...Int.max)
    sha256 = try node["sha256"]?.string().lowercased()
    if let digest = sha256, let place = node["sha256"] {
      guard digest.utf8.count == 64, digest.allSatisfy(\.isHexDigit) else {
        throw place.wrong("64 hexadecimal digits were expected")
      }
    }
    licenseTask = try node["licenseTask"]?.string()
  }
}
