import Basics
import TestSupport
import Testing

@testable import Engines

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct CompiledNetworkCacheTests {
  @Test func keepsAndFinds() throws {
    let folder = try TemporaryFolder()
    let cache = CompiledNetworkCache(folder: folder("deep/inside"))
    #expect(cache.load("one") == nil)
    try store(cache, "one", [1, 2, 3])
    let file = try #require(cache.load("one"))
    #expect(Array(CompiledNetworkCache.content(of: file)) == [1, 2, 3])
    #expect(cache.load("two") == nil)
    // A file under another's name is not that other one.
    #expect(rename(folder("deep/inside/one.compiled"), folder("deep/inside/two.compiled")) == 0)
    #expect(cache.load("two") == nil)
    #expect(!Path.exists(folder("deep/inside/two.compiled")))
  }

  @Test func failedWritesLeaveNothing() throws {
    let folder = try TemporaryFolder()
    let cache = CompiledNetworkCache(folder: folder.path)
    cache.store("one") { path in
      try AtomicFile.write([1], to: path)
      throw Failure(.engine, "cannot export")
    }
    #expect(try Path.list(folder.path) == [])
    // A folder that cannot be made is no reason to fail.
    try AtomicFile.write([1], to: folder("file"))
    CompiledNetworkCache(folder: folder("file/cache")).store("one") { try AtomicFile.write([1], to: $0) }
  }

  @Test func leastRecentlyUsedGoFirst() throws {
    let folder = try TemporaryFolder()
    // Room for two of 1000 bytes and their trailers.
    let cache = CompiledNetworkCache(folder: folder.path, limit: 2200)
    for (age, key) in [(300, "a"), (200, "b")] {
      try store(cache, key, [UInt8](repeating: 7, count: 1000))
      setAge(folder("\(key).compiled"), seconds: age)
    }
    _ = try #require(cache.load("a"))
    try store(cache, "c", [UInt8](repeating: 8, count: 1000))
    #expect(try Path.list(folder.path) == ["a.compiled", "c.compiled"])
    // One that is larger than the limit stays as long as it is the newest.
    try store(cache, "d", [UInt8](repeating: 9, count: 5000))
    #expect(try Path.list(folder.path) == ["d.compiled"])
  }

  @Test func leftoversOfKilledRunsGo() throws {
    let folder = try TemporaryFolder()
    try Path.makeFolder(folder(".partial-0123456789ab-1"))
    for name in [".partial-0123456789ab-1/two", "notes.txt"] {
      let file = fopen(folder(name), "w")
      fclose(try #require(file))
    }
    try store(CompiledNetworkCache(folder: folder.path, limit: 0), "one", [1])
    #expect(try Path.list(folder.path) == ["notes.txt", "one.compiled"])
  }

  private func store(_ cache: CompiledNetworkCache, _ key: String, _ bytes: [UInt8]) throws {
    cache.store(key) { try AtomicFile.write(bytes, to: $0) }
  }

  private func setAge(_ path: String, seconds: Int) {
    let times = [timeval](repeating: timeval(tv_sec: time(nil) - seconds, tv_usec: 0), count: 2)
    utimes(path, times)
  }
}
