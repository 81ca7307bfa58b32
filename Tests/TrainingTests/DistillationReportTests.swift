import Basics
import Testing

@testable import Training

@Suite struct DistillationReportTests {
  /// The table has the mean of the cases, the budget is of a typical one; nobody may take them for the same.
  @Test func operationsOfABudgetAreThoseOfATypicalCase() throws {
    let figures = DistillationReport.Figures(
      dice: [0.5], meanDice: 0.5, parameters: 1, gigaflopPerPatch: 1, gigaflopPerCase: 4, secondsPerCase: 1)
    var report = DistillationReport(labels: ["a"], cases: 2, student: figures)
    (report.budget, report.budgetSpent) = (DistillationBudget(5, .operations), 3)
    #expect(report.lines.last?.hasSuffix(" GFLOP/case, expected of a typical case") == true)
    #expect(report.json["budget"]?["of"]?.string?.contains("typical") == true)
    report.budget = DistillationBudget(5, .seconds)
    #expect(report.lines.last?.hasSuffix("s/case") == true && report.json["budget"]?["of"] == nil)
  }
}
