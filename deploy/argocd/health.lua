-- Health of a dbmigrations.dev/DatabaseMigration for Argo CD.
-- Argo CD takes an empty status for success and an unknown word for failure: every path ends in one of its words.

local function condition(obj, kind)
  for _, c in ipairs(obj.status.conditions or {}) do
    if c.type == kind then
      return c
    end
  end
  return nil
end

local function text(c, default)
  if c ~= nil and c.message ~= nil and c.message ~= "" then
    return c.message
  end
  if c ~= nil and c.reason ~= nil and c.reason ~= "" then
    return c.reason
  end
  return default
end

local function health(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "The migration is being deleted")
end

-- A status of an older generation says nothing about what was just applied.
if obj.status == nil or obj.status.observedGeneration == nil
    or obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "Waiting for the operator to take up this generation")
end

-- The first of these that is true decides.
local order = {
  { kind = "Stalled", status = "Degraded" },
  { kind = "Suspended", status = "Suspended" },
  { kind = "Reconciling", status = "Progressing" },
  { kind = "Ready", status = "Healthy" },
}
for _, rule in ipairs(order) do
  local c = condition(obj, rule.kind)
  if c ~= nil and c.status == "True" then
    return health(rule.status, text(c, rule.kind))
  end
end

return health("Progressing", text(condition(obj, "Ready"), "Waiting for the operator"))
