import Basics

extension ZipArchive.Member {
  /// Whether this is what packing programs leave behind.
  public var isDebris: Bool {
    let steps = name.split(separator: "/")
    return steps.contains("__MACOSX") || steps.last == ".DS_Store"
  }
}

extension ZipArchive {
  /// Throws `badInput` for members that are more or larger than an archive of `content` ("models") can have: an attack
  /// or an accident.
  public func check(_ members: [Member], maximumFiles: Int, maximumSize: Int, content: String) throws {
    guard members.count <= maximumFiles else {
      throw Failure(
        .badInput, "holds \(members.count) files, which no archive of \(content) does", file: file.path)
    }
    var total = 0
    for member in members {
      total += member.size
      guard total <= maximumSize else {
        throw Failure(
          .badInput, "would unpack to more than \(maximumSize >> 30) GiB, which no archive of \(content) does",
          file: file.path)
      }
    }
  }
}
