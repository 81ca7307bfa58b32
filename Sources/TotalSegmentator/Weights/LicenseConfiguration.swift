import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The licence's number in TotalSegmentator's `config.json`.
///
/// Nothing else in that file means anything to Microtome, and nothing of it is sent anywhere but the number, to the
/// licence server, when licensed weights are downloaded.
public struct LicenseConfiguration: Sendable {
  public let path: String
  private static let length = 18

  public init(folders: TotalSegmentatorFolders) { path = folders.configuration }

  /// The stored number, nil when there is none. Throws `badInput` for a damaged file and for a number of the wrong length.
  public func number() throws -> String? {
    guard Path.exists(path), let value = try JSON.read(path)["license_number"], !value.isNull else { return nil }
    guard let number = value.string, number.unicodeScalars.count == Self.length else {
      throw Failure(
        .badInput, "the \"license_number\" does not have \(Self.length) characters", file: path,
        hint: "microtome license set NUMBER stores another one")
    }
    return number
  }

  /// The stored number. Throws `usage`, with the place that gives licences out, when there is none.
  ///
  /// - Parameter what: What the licence is needed for, as "the task face".
  public func requiredNumber(for what: String, from server: LicenseServer?) throws -> String {
    if let number = try number() { return number }
    throw Failure(
      .usage, "\(what) needs a licence, and \(path) holds no licence number",
      hint: "get one (free for non-commercial use) at \(server?.page ?? "the catalogue's owner"), then "
        + "microtome license set NUMBER")
  }

  /// Stores a number, as TotalSegmentator stores it: other keys of the file are kept.
  ///
  /// Throws `usage` when it cannot be a licence's number, `badInput` when the file is damaged, `cannotWrite`.
  public func store(_ number: String) throws {
    guard number.hasPrefix("aca_"), number.unicodeScalars.count == Self.length else {
      throw Failure(
        .usage, "\(number) is no licence number: one begins with aca_ and has \(Self.length) characters")
    }
    try Path.makeFolder(Path.split(path).folder)
    var configuration: JSONObject
    if Path.exists(path) {
      guard let object = try JSON.read(path).object else {
        throw Failure(.badInput, "is not a JSON object", file: path, hint: "remove the file and try again")
      }
      configuration = object
    } else {
      // What TotalSegmentator itself begins with; without its identifier it would not use the file.
      configuration = [
        "totalseg_id": .string(Self.identifier()), "send_usage_stats": .bool(true), "prediction_counter": .int(0),
      ]
    }
    configuration["license_number"] = .string(number)
    try AtomicFile.write(Array(JSON.object(configuration).text(indent: 4).utf8), to: path)
    chmod(path, 0o600)
  }

  /// "totalseg_" and eight characters at random.
  private static func identifier() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    return "totalseg_" + String((0..<8).map { _ in letters[Int.random(in: 0..<letters.count)] })
  }
}
