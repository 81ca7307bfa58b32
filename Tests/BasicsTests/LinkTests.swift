import Basics
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct LinkTests {
  /// People keep results elsewhere and link to them: the link stays, and what it leads to is written.
  @Test(arguments: [true, false]) func aFileIsWrittenWhereALinkLeads(isThere: Bool) throws {
    let folder = try TemporaryFolder()
    try Path.makeFolder(folder("elsewhere"))
    if isThere { try AtomicFile.write([1], to: folder("elsewhere/file")) }
    #expect(symlink("elsewhere/file", folder("link")) == 0)
    #expect(symlink(folder("link"), folder("second")) == 0)
    #expect(Path.followingLinks(folder("second")) == folder("elsewhere/file"))
    for (value, name) in [(UInt8(2), "link"), (3, "second")] {
      try AtomicFile.write([value], to: folder(name))
      #expect(try Path.read(folder("elsewhere/file")) == [value])
    }
    try AtomicFile.write([4], to: folder("new"))
    try Path.move(folder("new"), to: folder("second"))
    #expect(try Path.read(folder("elsewhere/file")) == [4])
    #expect(try Path.list(folder.path) == ["elsewhere", "link", "second"])
    #expect(try Path.list(folder("elsewhere")) == ["file"])
    #expect(Path.followingLinks(folder("link")) != folder("link"))
  }

  @Test func linksInACircleAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(symlink("b", folder("a")) == 0 && symlink("a", folder("b")) == 0)
    #expect(Path.followingLinks(folder("a")) == folder("a"))
  }

  @Test func anInputIsRecognisedUnderAnyName() throws {
    let folder = try TemporaryFolder()
    for name in ["one", "two"] { try AtomicFile.write([1], to: folder(name)) }
    #expect(symlink("one", folder("link")) == 0)
    #expect(Path.firstOverwriting([folder("one")], among: [folder("two"), folder("none")]) == nil)
    for name in ["link", "../\(Path.split(folder.path).name)/one"] {
      #expect(Path.firstOverwriting([folder("one")], among: [folder("two"), folder(name)]) == folder(name))
    }
  }

  @Test func foldersThatWereMadeAreTold() throws {
    let folder = try TemporaryFolder()
    #expect(try Path.makeFolder(folder("a/b")) == [folder("a"), folder("a/b")])
    #expect(try Path.makeFolder(folder("a/b/c")) == [folder("a/b/c")])
    #expect(try Path.makeFolder(folder("a")) == [])
    Path.removeEmptyFolders([folder("a"), folder("a/b"), folder("a/b/c")])
    #expect(!Path.exists(folder("a")))
    try Path.makeFolder(folder("a/b"))
    try AtomicFile.write([1], to: folder("a/file"))
    Path.removeEmptyFolders([folder("a"), folder("a/b")])
    #expect(try Path.list(folder("a")) == ["file"])
  }

  /// What the system said when the folder could not be made, not what it said about looking for it afterwards.
  @Test func theReasonIsTheFirstOne() throws {
    let folder = try TemporaryFolder()
    #expect(symlink("nowhere", folder("link")) == 0)
    let failure = #expect(throws: Failure.self) { try Path.makeFolder(folder("link")) }
    #expect(failure?.kind == .cannotWrite && failure?.message.contains(systemMessage(EEXIST)) == true)
  }
}
