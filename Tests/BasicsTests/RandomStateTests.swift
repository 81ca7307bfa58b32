import TestSupport
import Testing

@testable import Basics

/// NumPy's `RandomState`, number for number.
@Suite struct RandomStateTests {
  /// The first numbers of the original program by Matsumoto and Nishimura for seed 5489.
  @Test func theTwisterIsTheOriginalOne() {
    var random = RandomState(seed: 5489)
    #expect((0..<3).map { _ in random.next32() } == [3_499_211_612, 581_869_302, 3_890_346_734])
    // The ten thousandth, as the C++ standard demands of mt19937.
    for _ in 3..<9999 { _ = random.next32() }
    #expect(random.next32() == 4_123_659_995)
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func everythingAgreesWithNumPy() throws {
    let vectors = try JSON.read(ReferenceData.vectors("rng/randomstate_legacy.json")).object ?? [:]
    #expect(vectors.count >= 5)
    for (seed, expected) in vectors.members {
      let seed = try #require(Int(seed))
      var random = RandomState(seed: seed)
      let bits = try #require(expected["first_u32"]?.ints)
      #expect(bits.map { _ in Int(random.next32()) } == bits)
      random = RandomState(seed: seed)
      let samples = try #require(expected["random_sample"]?.doubles)
      #expect(samples.map { _ in random.uniform() } == samples)
      random = RandomState(seed: seed)
      #expect(random.permutation(20) == expected["permutation_20"]?.ints)
      random = RandomState(seed: seed)
      #expect(random.permutation(1000, prefix: 8).map { Int($0) } == expected["choice_noreplace_1000_8"]?.ints)
      random = RandomState(seed: seed)
      #expect(random.choices(8, of: 1340) == expected["choice_replace_1340_8"]?.ints)
      random = RandomState(seed: seed)
      #expect((0..<12).map { _ in random.integer(in: -5..<9) } == expected["randint_-5_9_12"]?.ints)
    }
  }

  /// Counting draws gives what drawing gives, and leaves the generator where drawing leaves it.
  @Test(arguments: [(1, 7), (2, 100), (1340, 5000), (1024, 624), (1025, 10_000), (3, 0)])
  func talliesCountTheSameDraws(size: Int, draws: Int) {
    var (drawing, counting) = (RandomState(seed: 1234), RandomState(seed: 1234))
    for _ in 0..<2 {
      var counts = [UInt32](repeating: 0, count: size)
      for draw in drawing.choices(draws, of: size) { counts[draw] += 1 }
      #expect(counting.tally(draws: draws, of: size) == counts)
    }
    #expect(drawing.next32() == counting.next32())
  }

  @Test func wideIntervalsTakeTheHighWordFirst() {
    var (random, plain) = (RandomState(seed: 3), RandomState(seed: 3))
    let value = random.interval(Int.max)
    var expected = 0
    repeat {
      let high = Int(plain.next32())
      expected = (high << 32 | Int(plain.next32())) & Int.max
    } while false
    #expect(value == expected)
    #expect(random.interval(0) == 0)
    #expect(random.next32() == plain.next32())
  }
}
