import Testing

@testable import Basics

struct DecimalsTests {
  @Test func aFixedNumberOfDigits() {
    #expect(1.005.decimals(0) == "1")
    #expect(0.05.decimals(3) == "0.050")
    #expect((-2.46).decimals(1) == "-2.5")
    #expect((-0.04).decimals(1) == "0.0")
    #expect([Double.nan, .infinity, -.infinity].map { $0.decimals(2) } == ["nan", "inf", "-inf"])
  }

  @Test func aboutThreeDigits() {
    #expect([0.0421, 1.234, 12.34, 1234.5].map(\.brief) == ["0.042", "1.23", "12.3", "1235"])
  }
}
