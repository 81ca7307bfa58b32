import Basics
import Synchronization
import Testing

@Suite struct CasePipelineTests {
  @Test func movesEveryItemThroughAllStagesInOrder() throws {
    let written = Mutex<[String]>([])
    try CasePipeline.run(Array(0..<20)) {
      $0 * 2
    } work: { item, read in
      "\(item):\(read)"
    } write: { _, text in
      written.withLock { $0.append(text) }
    } failed: { item, failure in
      Issue.record("\(item): \(failure)")
    }
    #expect(written.withLock { $0 } == (0..<20).map { "\($0):\(2 * $0)" })
  }

  /// A failure in any stage costs its item only.
  @Test func failuresDoNotStopTheOthers() throws {
    let written = Mutex<[Int]>([])
    let failed = Mutex<[Int: String]>([:])
    try CasePipeline.run(Array(0..<6)) { item in
      if item == 1 { throw Failure(.badInput, "read") }
      return item
    } work: { item, _ in
      if item == 2 { throw Failure(.badInput, "work") }
      return item
    } write: { item, _ in
      if item == 3 { throw Failure(.cannotWrite, "write") }
      written.withLock { $0.append(item) }
    } failed: { item, failure in
      failed.withLock { $0[item] = failure.message }
    }
    #expect(written.withLock { $0 } == [0, 4, 5])
    #expect(failed.withLock { $0 } == [1: "read", 2: "work", 3: "write"])
  }

  /// What concerns all items ends the run; what was finished before is still written.
  @Test(arguments: [Failure.Kind.engine, .interrupted]) func someFailuresEndTheRun(kind: Failure.Kind) {
    let written = Mutex<[Int]>([])
    #expect(throws: Failure(kind, "stop")) {
      try CasePipeline.run(Array(0..<100)) {
        $0
      } work: { item, _ in
        if item == 3 { throw Failure(kind, "stop") }
        return item
      } write: { item, _ in
        written.withLock { $0.append(item) }
      } failed: { _, _ in
      }
    }
    #expect(written.withLock { $0 } == [0, 1, 2])
  }
}
