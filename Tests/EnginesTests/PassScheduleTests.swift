import Testing

@testable import Engines

@Suite struct PassScheduleTests {
  private func schedule(_ threads: Int, megabytes: Int, passes: Int? = nil, output: Int = 1) -> [Int] {
    let schedule = PassSchedule(
      threads: threads, activationBytes: megabytes << 20, outputBytes: output << 20, expectedPasses: passes)
    return [schedule.streams, schedule.requests]
  }

  @Test func smallNetworksRunSideBySide() {
    #expect(schedule(2, megabytes: 50) == [2, 3])
    #expect(schedule(16, megabytes: 10) == [16, 17])
    #expect(schedule(1, megabytes: 10) == [1, 2])
  }

  @Test func memoryLimitsStreams() {
    #expect(schedule(2, megabytes: 500) == [1, 2])
    // 256 MiB pay for two more, but 16 threads can only be shared out evenly among one, two, four, ...
    #expect(schedule(16, megabytes: 100) == [2, 3])
    #expect(schedule(2, megabytes: 0) == [2, 3])
    // One more output of this size would cost more than it gains.
    #expect(schedule(2, megabytes: 500, output: 400) == [1, 1])
    #expect(schedule(2, megabytes: 50, output: 400) == [2, 2])
  }

  @Test func fewPassesAreSpreadOverTheCores() {
    #expect(schedule(2, megabytes: 50, passes: 1) == [1, 1])
    #expect(schedule(2, megabytes: 50, passes: 2) == [2, 2])
    #expect(schedule(2, megabytes: 50, passes: 3) == [1, 2])
    #expect(schedule(2, megabytes: 50, passes: 101) == [2, 3])
    #expect(schedule(4, megabytes: 50, passes: 6) == [2, 3])
    #expect(schedule(2, megabytes: 50, passes: 0) == [1, 1])
  }
}

@Suite struct ProcessorTests {
  @Test func readsLinuxDescriptions() {
    let processor = Processor(
      description: """
        processor\t: 0
        model name\t: AMD EPYC 9R45
        siblings\t: 16
        cpu cores\t: 8
        flags\t\t: fpu avx2 avx512_bf16 amx_tile
        """)
    #expect(processor.name == "AMD EPYC 9R45")
    #expect(processor.threadsPerCore == 2)
    #expect(processor.hasNativeBF16)
    #expect(Precision.allCases.filter(processor.imitates) == [.fp16])
    #expect(processor.features.contains("avx2"))
    let unknown = Processor(description: "")
    #expect(unknown.threadsPerCore == 1 && !unknown.hasNativeBF16 && unknown.physicalCores >= 1)
  }
}
