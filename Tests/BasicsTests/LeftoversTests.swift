import TestSupport
import Testing

@testable import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct LeftoversTests {
  /// A scratch folder as a killed process leaves it: there, and locked by nobody.
  private func leftover(in folder: String) throws -> String {
    let path = try ScratchFolder(in: folder).path
    try Path.makeFolder(Path.join(path, "deep"))
    try AtomicFile.write([1], to: Path.join(path, "deep/half"))
    return path
  }

  @Test func ofTheDeadGoAndOfTheLivingStay() throws {
    let folder = try TemporaryFolder()
    let live = try ScratchFolder(in: folder.path)
    let file = try AtomicFile(path: folder("result"))
    let before = try Path.list(folder.path)
    #expect(before.count == 2)
    let dead = try leftover(in: folder.path)
    for name in [".partial", ".hidden", "partial-1-1"] { try Path.makeFolder(folder(name)) }
    try AtomicFile.write([1], to: folder(".partial-file"))
    Leftovers.remove(from: folder.path)
    #expect(!Path.exists(dead))
    #expect(try Set(Path.list(folder.path)) == Set(before + [".partial", ".hidden", "partial-1-1", ".partial-file"]))
    try file.write([7])
    try file.commit()
    #expect(try Path.read(folder("result")) == [7])
    withExtendedLifetime(live) { #expect(Path.isFolder(live.path)) }
  }

  /// On a disk that machines share, the lock of another one's process cannot be seen.
  @Test func ofOtherMachinesStayOnSharedDisks() throws {
    let folder = try TemporaryFolder()
    let own = try leftover(in: folder.path)
    let foreign = folder(".partial-0123456789ab-77")
    try Path.makeFolder(foreign)
    Leftovers.remove(from: folder.path) { _ in false }
    #expect(Path.exists(foreign))
    // Where the kernel cannot be told from others (on some systems), no name is known as one's own.
    #expect(Path.exists(own) == (Host.boot == nil))
    Leftovers.remove(from: folder.path) { _ in true }
    #expect(!Path.exists(foreign))
  }

  /// Whoever writes to a folder first cleans it.
  @Test func goWithTheNextWriter() throws {
    let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
    let name = Path.split(try leftover(in: other.path)).name
    try Path.makeFolder(folder(name))
    try AtomicFile.write([1], to: folder("result"))
    #expect(try Path.list(folder.path) == ["result"])
  }

  /// Many processes begin to write to one folder at once, and each looks for leftovers.
  @Test func writersDoNotTakeEachOtherForDead() throws {
    let folder = try TemporaryFolder()
    let path = folder.path
    Parallel.forEach(8) { worker in
      for turn in 0..<100 {
        #expect(throws: Never.self) {
          try AtomicFile.write([1], to: Path.join(path, "\(worker)_\(turn)"), flushes: false)
        }
        Leftovers.remove(from: path)
      }
    }
    #expect(try Path.list(path).count == 800)
  }

  @Test func longNamesAndMissingFolders() throws {
    let folder = try TemporaryFolder()
    let name = String(repeating: "n", count: 255)
    try AtomicFile.write([1], to: folder(name))
    #expect(try Path.list(folder.path) == [name])
    let failure = #expect(throws: Failure.self) { try AtomicFile.write([1], to: folder("none/file")) }
    #expect(failure?.kind == .cannotWrite && failure?.file == folder("none/file"))
  }

  @Test func foldersAreLockedOnce() throws {
    let folder = try TemporaryFolder()
    let path = folder("model/fold_0")
    try FolderLock.check(path)
    let lock = try FolderLock(path)
    #expect(lock.weakness == nil)
    for attempt in [{ try FolderLock.check(path) }, { _ = try FolderLock(path) }] as [() throws -> Void] {
      let failure = #expect(throws: Failure.self) { try attempt() }
      #expect(failure?.kind == .cannotWrite && failure?.file == path)
      #expect(failure?.message.contains("another process (\(getpid()))") == true, "\(String(describing: failure))")
    }
    lock.release()
    // Made for the lock only.
    #expect(try Path.list(folder.path) == [])
    try Path.makeFolder(path)
    // What a killed process leaves.
    try AtomicFile.write(Array("1 elsewhere\n".utf8), to: Path.join(path, FolderLock.fileName))
    try FolderLock.check(path)
    try FolderLock(path).release()
    #expect(try Path.list(path) == [])
  }
}
