// Reads {name: query} as JSON from standard input; prints {name: {errors: [...], columns: {name: type}}}.
// The parser is Azure Data Explorer's own, the one of the portal's editor, with the tables that the queries read.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = path.join(__dirname, "../../infra/local/node_modules/@kusto/language-service-next");
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  vm.runInThisContext(fs.readFileSync(path.join(folder, file), "utf8"), { filename: file });
}
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;
const list = globalThis.Bridge.toArray;

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces
const schema = `(TimeGenerated: datetime, Message: string, SeverityLevel: int, Properties: dynamic, OperationId: string,
  OperationName: string, AppRoleName: string, AppRoleInstance: string, Type: string, _ResourceId: string)`;
const table = new Symbols.TableSymbol.$ctor7("AppTraces", schema, null);
// https://learn.microsoft.com/azure/azure-monitor/reference/tables/appexceptions
const exceptionsSchema = `(TimeGenerated: datetime, ExceptionType: string, OuterMessage: string, InnermostMessage: string,
  Details: dynamic, Properties: dynamic, SeverityLevel: int, OperationName: string, AppRoleName: string)`;
const exceptions = new Symbols.TableSymbol.$ctor7("AppExceptions", exceptionsSchema, null);
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", [table, exceptions]));

const analysed = {};
for (const [name, query] of Object.entries(JSON.parse(fs.readFileSync(0, "utf8")))) {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const columns = code.ResultType && code.ResultType.Columns ? list(code.ResultType.Columns) : [];
  analysed[name] = {
    errors: list(code.GetDiagnostics()).filter((found) => found.Severity === "Error").map((found) => found.Message),
    columns: Object.fromEntries(columns.map((column) => [column.Name, column.Type.Name])),
  };
}
process.stdout.write(JSON.stringify(analysed));
